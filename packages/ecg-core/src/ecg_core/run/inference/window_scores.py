"""Scores of many windows, and of the recordings they were cut from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from ecg_core.contracts.task import Task
from ecg_core.data.store import Store

__all__ = ["ScoredRecordings", "mean_by_record", "score_recordings", "score_windows"]


class ScoredRecordings(NamedTuple):
    """Recordings of a split and what a model says about them.

    ``names`` (record ids), ``scores`` ``(recordings, classes)``, ``targets`` alike, ``patients`` (``None`` where unknown, and
    altogether where all are), ``windows`` (row numbers of all windows) and ``first`` (the one row of each recording's first).
    """

    names: list[str]
    scores: np.ndarray
    targets: np.ndarray
    patients: list[str | None] | None
    windows: np.ndarray
    first: np.ndarray


def score_recordings(
    task: Task, store: Store, split: str, target: str, *, progress: Callable[[int, int], None] | None = None
) -> ScoredRecordings:
    """Every recording of a split that has a label for ``target``, scored by the mean of its windows; there may be none."""
    windows = store.indices(split, target=target)
    rows = store.table.iloc[windows]
    names, scores, first = mean_by_record(rows["record_id"].tolist(), score_windows(task, store, windows, progress=progress))
    targets = store.target_matrix(target, task.classes, windows)[first]
    patients = [p if isinstance(p, str) else None for p in rows["patient_id"].iloc[first]]
    known = patients if any(p is not None for p in patients) else None
    return ScoredRecordings(names, scores, targets, known, windows, windows[first])


@torch.no_grad()
def score_windows(
    task: Task,
    store: Store,
    indices: np.ndarray,
    device: str = "cpu",
    *,
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Probabilities, ``(windows, classes)`` float64, in evaluation mode; the task's mode is put back."""
    was_training = task.training
    task.eval()
    parts = []
    for i in range(0, len(indices), batch_size):
        if progress is not None:
            progress(i, len(indices))
        parts.append(task.predict(store.batch(indices[i : i + batch_size]).to(device)).cpu().numpy())
    task.train(was_training)
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros((0, len(task.classes)))


def mean_by_record(record_ids: Sequence[str], values: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Windows of the same recording averaged.

    Returns:
        Record names in order of first appearance, their mean values, and the position of each one's first window.
    """
    names = np.asarray(record_ids, dtype=object)
    _, first, inverse = np.unique(names.astype(str), return_index=True, return_inverse=True)
    sums = np.zeros((len(first), values.shape[1]))
    np.add.at(sums, inverse, values)
    means = sums / np.bincount(inverse)[:, None]
    order = np.argsort(first)
    return [str(names[i]) for i in first[order]], means[order], first[order]
