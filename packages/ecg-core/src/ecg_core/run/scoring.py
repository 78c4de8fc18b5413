"""Scores of many windows, and of the recordings they were cut from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ecg_core.contracts.task import Task
from ecg_core.data.store import Store

__all__ = ["mean_by_record", "score_windows"]


@torch.no_grad()
def score_windows(task: Task, store: Store, indices: np.ndarray, device: str = "cpu", *, batch_size: int = 64) -> np.ndarray:
    """Probabilities, ``(windows, classes)`` float64, in evaluation mode; the task's mode is put back."""
    was_training = task.training
    task.eval()
    parts = [
        task.predict(store.batch(indices[i : i + batch_size]).to(device)).cpu().numpy()
        for i in range(0, len(indices), batch_size)
    ]
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
