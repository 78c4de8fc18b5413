"""The page of a model that answers with numbers: its evaluation, and the recordings with the largest errors on ECG paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecg_core.contracts.task import Task
from ecg_core.data.store import Store
from ecg_core.evaluation.number_report import write_number_report
from ecg_core.evaluation.page import ReportExample
from ecg_core.evaluation.regression import NumberResult
from ecg_core.explanation.paper import draw_ecg, figure_png
from ecg_core.run.directory import RunDirectory
from ecg_core.run.progress import read_metrics
from ecg_core.run.scoring.report_parts import report_command, report_data_card, report_facts

__all__ = ["number_examples", "write_number_page"]

_DOTS_PER_INCH = 110


def write_number_page(
    html: Path,
    directory: RunDirectory,
    task: Task,
    store: Store,
    *,
    split: str,
    result: NumberResult,
    windows: np.ndarray,
    targets: np.ndarray,
    predictions: np.ndarray,
    examples: int,
    warnings: Sequence[str],
) -> None:
    """Write the report of a run; ``windows`` are row numbers of the recordings' first windows."""
    write_number_report(
        html,
        result,
        title=f"{result.name} on {store.path.name}",
        facts=report_facts(directory, store, task, split),
        targets=targets,
        predictions=predictions,
        history=read_metrics(directory.path / "metrics.jsonl"),
        examples=number_examples(store, windows, targets, predictions, examples),
        data_card=report_data_card(store),
        command=report_command(directory, store, split, html),
        warnings=warnings,
    )


def number_examples(
    store: Store, windows: np.ndarray, targets: np.ndarray, predictions: np.ndarray, count: int
) -> list[ReportExample]:
    """The recordings whose predictions are furthest off, the worst first, each drawn by its first window."""
    order = np.argsort(-np.abs(predictions - targets), kind="stable")[:count]
    made = []
    for row in order.tolist():
        record = store.record(int(windows[row]))
        off = predictions[row] - targets[row]
        note = f"Predicted {predictions[row]:.4g}, true {targets[row]:.4g}, off by {off:+.4g}.".replace("-", "−")
        picture = figure_png(draw_ecg(record), dpi=_DOTS_PER_INCH)
        made.append(ReportExample(f"Record {record.record_id}.", picture, labels=None, note=note))
    return made
