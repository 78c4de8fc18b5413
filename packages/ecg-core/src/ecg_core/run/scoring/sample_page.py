"""The page of a model of samples: its evaluation, and the windows it labels best and worst, on ECG paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecg_core.contracts.task import Task
from ecg_core.data.step_target import NONE, StepTarget
from ecg_core.data.store import Store
from ecg_core.evaluation.page import ReportExample
from ecg_core.evaluation.sample_report import write_sample_report
from ecg_core.evaluation.samples import LabelledRecording, SampleEvaluation
from ecg_core.explanation.labels import draw_labels
from ecg_core.explanation.paper import figure_png
from ecg_core.run.directory import RunDirectory
from ecg_core.run.progress import read_metrics
from ecg_core.run.scoring.report_parts import report_command, report_data_card, report_facts

__all__ = ["LabelledWindow", "labelled_windows", "sample_examples", "write_sample_page"]

_LEADS = ("II", "V1", "I")  # drawn first, where the target names none
_KNOWN = 0.25  # share of a window that must be annotated to be shown
_DOTS_PER_INCH = 110


class LabelledWindow(NamedTuple):
    """A window of a store with its labels, and the mean F1 of the classes that are true in it."""

    row: int
    truth: np.ndarray
    found: np.ndarray
    f1: float


def write_sample_page(
    html: Path,
    directory: RunDirectory,
    task: Task,
    store: Store,
    *,
    split: str,
    evaluation: SampleEvaluation,
    windows: Sequence[LabelledWindow],
    steps: StepTarget,
    examples: int,
    warnings: Sequence[str],
) -> None:
    """Write the report of a run."""
    write_sample_report(
        html,
        evaluation,
        title=f"{directory.facts['target']} on {store.path.name}",
        facts=report_facts(directory, store, task, split),
        history=read_metrics(directory.path / "metrics.jsonl"),
        examples=sample_examples(store, windows, steps, examples),
        data_card=report_data_card(store),
        command=report_command(directory, store, split, html),
        warnings=warnings,
    )


def labelled_windows(
    recordings: Sequence[LabelledRecording], rows: Sequence[Sequence[int]], length: int, classes: int
) -> Iterator[LabelledWindow]:
    """The windows that the recordings consist of, those left out of which too little is known.

    Args:
        recordings: Judged.
        rows: Row numbers of each one's windows.
        length: Samples of a window.
        classes: How many there are.
    """
    for one, numbers in zip(recordings, rows, strict=True):
        for place, row in enumerate(numbers):
            part = slice(place * length, (place + 1) * length)
            truth, found = one.truth[part], one.found[part]
            if (truth >= 0).mean() >= _KNOWN:
                yield LabelledWindow(row, truth, found, _mean_f1(truth, found, classes))


def sample_examples(store: Store, windows: Sequence[LabelledWindow], steps: StepTarget, count: int) -> list[ReportExample]:
    """The windows that are labelled best and worst, alternating, each of another recording."""
    ranked = sorted(windows, key=lambda w: w.f1)
    chosen: list[tuple[str, LabelledWindow]] = []
    used: set[str] = set()
    names = store.table["record_id"]
    while len(chosen) < count:
        kind, order = ("Best", reversed(ranked)) if len(chosen) % 2 == 0 else ("Worst", iter(ranked))
        window = next((w for w in order if names.iloc[w.row] not in used), None)
        if window is None:
            break
        used.add(names.iloc[window.row])
        chosen.append((kind, window))
    return [_example(store, kind, window, steps) for kind, window in chosen]


def _example(store: Store, kind: str, window: LabelledWindow, steps: StepTarget) -> ReportExample:
    record = store.record(window.row)
    first = [steps.lead] if steps.lead in record.leads else [lead for lead in _LEADS if lead in record.leads]
    shown = record.select_leads((first or list(record.leads))[:2])
    start = int(store.table["segment"].iloc[window.row]) * store.n_samples / store.fs
    known = window.truth >= 0
    right = 100 * float((window.truth == window.found)[known].mean())
    name = record.record_id or "record"
    figure = draw_labels(
        shown,
        found=window.found,
        truth=window.truth,
        classes=steps.classes,
        background=steps.classes.index(NONE) if NONE in steps.classes else None,
    )
    return ReportExample(
        caption=f"{kind}: record {name}{f' from {start:g} s' if start else ''}.",
        picture=figure_png(figure, dpi=_DOTS_PER_INCH),
        labels=None,
        note=f"Mean F1 of samples {window.f1:.3f}; {right:.1f}% of the annotated samples are right.",
    )


def _mean_f1(truth: np.ndarray, found: np.ndarray, classes: int) -> float:
    known = truth >= 0
    pairs = np.bincount(truth[known] * classes + found[known], minlength=classes**2).reshape(classes, classes)
    hits, true, said = np.diag(pairs), pairs.sum(axis=1), pairs.sum(axis=0)
    there = true > 0
    return float((2 * hits[there] / (true + said)[there]).mean())
