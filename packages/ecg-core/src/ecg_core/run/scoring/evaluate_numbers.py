"""Evaluate a model that answers with numbers: its errors on the recordings of a split, in the unit of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecg_core.contracts.task import Task
from ecg_core.data.files import write_atomic, write_json
from ecg_core.data.numbers import numbers_of
from ecg_core.data.store import Store
from ecg_core.errors import DataError
from ecg_core.evaluation.regression import NumberResult, evaluate_numbers
from ecg_core.run.directory import RunDirectory
from ecg_core.run.inference.window_scores import mean_by_record, score_windows
from ecg_core.run.scoring.number_page import write_number_page

__all__ = ["evaluate_run_of_numbers"]


def evaluate_run_of_numbers(
    directory: RunDirectory,
    task: Task,
    store: Store,
    *,
    target: str,
    split: str,
    repeats: int,
    seed: int,
    html: Path | None = None,
    examples: int = 4,
    warnings: Sequence[str] = (),
) -> NumberResult:
    """Judge every recording of a split; write ``evaluation-SPLIT.json`` and ``predictions-SPLIT.csv`` into the run.

    Args:
        directory: The run.
        task: Answers with numbers.
        store: With labels.
        target: What the numbers are of.
        split: ``"test"``, ``"val"`` or ``"train"``.
        repeats: Bootstrap repeats.
        seed: Of the bootstrap.
        html: Report to write.
        examples: Recordings drawn in it.
        warnings: What its reader must know before any number.

    Raises:
        DataError: The split has no recording with a label.
    """
    run = directory.path
    truth = numbers_of(store, target)
    windows = store.indices(split)
    windows = windows[~np.isnan(truth[windows])]
    if not len(windows):
        raise DataError(f"the {split} split of {store.path} has no recording with a label for {target!r}")
    rows = store.table.iloc[windows]
    names, answers, first = mean_by_record(rows["record_id"].tolist(), score_windows(task, store, windows))
    labels = truth[windows][first]
    patients = [p if isinstance(p, str) else None for p in rows["patient_id"].iloc[first]]
    found = evaluate_numbers(labels, answers[:, 0], name=target, patients=patients, repeats=repeats, seed=seed)
    facts = {"run": str(run), "data": store.fingerprint, "split": split, "target": target}
    write_json(run / f"evaluation-{split}.json", {**facts, **found.to_dict()})
    table = pd.DataFrame({"record_id": names, target: answers[:, 0], f"true_{target}": labels})
    write_atomic(run / f"predictions-{split}.csv", lambda p: table.to_csv(p, index=False, float_format="%.9g"))
    if html is not None:
        drawn: dict[str, Any] = {"windows": windows[first], "targets": labels, "predictions": answers[:, 0], "examples": examples}
        write_number_page(html, directory, task, store, split=split, result=found, warnings=warnings, **drawn)
    return found
