"""Evaluate a model of samples: whole recordings of a split, as ``ecg predict`` would answer for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecg_core.contracts.task import Task
from ecg_core.data.files import write_atomic, write_json
from ecg_core.data.step_target import StepTarget
from ecg_core.data.store import Store
from ecg_core.errors import DataError
from ecg_core.evaluation.samples import LabelledRecording, SampleEvaluation, evaluate_samples
from ecg_core.run.card import SignalContract
from ecg_core.run.directory import RunDirectory
from ecg_core.run.inference.stitching import Stitcher
from ecg_core.run.inference.stretches import positions_of, stretches
from ecg_core.run.scoring.sample_page import labelled_windows, write_sample_page

__all__ = ["evaluate_run_of_samples", "event_kinds", "judged_recordings"]


def evaluate_run_of_samples(
    directory: RunDirectory,
    task: Task,
    signal: SignalContract,
    store: Store,
    *,
    target: str,
    split: str,
    repeats: int,
    seed: int,
    html: Path | None = None,
    examples: int = 4,
    warnings: Sequence[str] = (),
) -> SampleEvaluation:
    """Judge every recording of a split; write ``evaluation-SPLIT.json`` and ``events-SPLIT.csv`` into the run.

    Args:
        directory: The run.
        task: Labels samples.
        signal: What it expects.
        store: Annotated.
        target: One of its ``step_targets``.
        split: ``"test"``, ``"val"`` or ``"train"``.
        repeats: Bootstrap repeats.
        seed: Of the bootstrap.
        html: Report to write.
        examples: Windows drawn in it.
        warnings: What its reader must know before any number.

    Raises:
        DataError: The split has no annotated recording.
    """
    run = directory.path
    steps = store.step_target(target)
    if steps is None or steps.classes != task.classes:
        raise DataError(f"{store.path} is not annotated with {target!r} in the classes of {run}: {', '.join(task.classes)}")
    judged = judged_recordings(task, signal, store, target=target, split=split)
    words: dict[str, Any] = {"classes": task.classes, "kinds": event_kinds(steps), "fs": store.fs}
    evaluation = evaluate_samples(judged, repeats=repeats, seed=seed, **words)
    facts = {"run": str(run), "data": store.fingerprint, "split": split, "target": target}
    write_json(run / f"evaluation-{split}.json", {**facts, **evaluation.to_dict()})
    table = evaluation.events_table() if evaluation.events else evaluation.table()
    write_atomic(run / f"events-{split}.csv", lambda p: table.to_csv(p, index=False, float_format="%.6g"))
    if html is not None:
        rows = list(_consecutive(store, split, target))
        windows = list(labelled_windows(judged, rows, store.n_samples, len(steps.classes)))
        page: dict[str, Any] = {"split": split, "evaluation": evaluation, "windows": windows, "steps": steps}
        write_sample_page(html, directory, task, store, examples=examples, warnings=warnings, **page)
    return evaluation


def judged_recordings(task: Task, signal: SignalContract, store: Store, *, target: str, split: str) -> list[LabelledRecording]:
    """Every annotated recording of a split beside what the task says of it.

    Raises:
        DataError: The split has none.
    """
    steps, stitch = StepTarget.parse(target, store.annotated), Stitcher(task, signal)
    judged = [_judged(store, stretch, steps, stitch) for stretch in _consecutive(store, split, target)]
    if not judged:
        raise DataError(f"the {split} split of {store.path} has no recording annotated with {target!r}")
    return judged


def event_kinds(steps: StepTarget) -> dict[str, str]:
    """Which events are judged, and what they are called; rhythms are judged by their samples."""
    if steps.kind == "waves":
        ends = (("on", "onset"), ("off", "offset"))
        return {f"wave/{wave.lower()}_{end}/{steps.lead}": f"{wave} {word}" for wave in steps.classes[1:] for end, word in ends}
    if steps.kind == "r_peaks":
        return {"r_peaks": "R peak"}
    if steps.kind == "beats":
        return {"r_peaks": "any beat"} | {f"beat/{name}": f"beat {name}" for name in steps.classes[1:]}
    return {}


def _consecutive(store: Store, split: str, target: str) -> Iterator[list[int]]:
    """Windows of each recording, in order; where one is missing, those after it stand alone."""
    rows = store.table.iloc[store.indices(split, target=target)]
    for _, part in rows.groupby("record_id", sort=False):
        part = part.sort_values("segment")
        numbers, segments = store.table.index.get_indexer(part.index), part["segment"].to_numpy()
        for run in np.split(numbers, np.flatnonzero(np.diff(segments) != 1) + 1):
            yield run.tolist()


def _judged(store: Store, windows: list[int], steps: StepTarget, stitch: Stitcher) -> LabelledRecording:
    patient = store.table["patient_id"].iloc[windows[0]]
    start = int(store.table["segment"].iloc[windows[0]]) * store.n_samples
    samples = len(windows) * store.n_samples

    def read(begin: int, end: int) -> np.ndarray:
        some = windows[begin // store.n_samples : -(-end // store.n_samples)]
        joined = np.concatenate(list(store.signals(some)), axis=-1)
        skip = begin % store.n_samples
        return joined[:, skip : skip + end - begin]

    found = np.zeros(samples, dtype=np.int64)

    def kept() -> Iterator[tuple[int, np.ndarray]]:
        for begin, probabilities in stitch(samples, read):
            found[begin : begin + probabilities.shape[1]] = probabilities.argmax(axis=0)
            yield begin, probabilities

    detections = positions_of(stretches(kept(), steps.classes, fs=store.fs), steps)
    marks = store.annotations(windows[0], whole=True)
    inside = {name: p[(p >= start) & (p < start + samples)] - start for name, p in marks.items()}
    truth = steps.labels(marks, start, start + samples, store.fs)
    return LabelledRecording(truth, found, inside, detections, patient if isinstance(patient, str) else None)
