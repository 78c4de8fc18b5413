"""Intervals of time as ``(..., 2)`` tensors of start and end in samples: overlap, suppression, and labels into intervals."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["label_intervals", "overlap", "suppress"]


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of intervals, broadcast: ``(..., 2)`` and ``(..., 2)`` to ``(...)``."""
    shared = (torch.minimum(a[..., 1], b[..., 1]) - torch.maximum(a[..., 0], b[..., 0])).clamp(min=0)
    length = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0])
    return shared / (length - shared).clamp(min=1e-6)


def label_intervals(present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Every run of a class as an interval.

    Args:
        present: ``(batch, classes, samples)`` booleans.

    Returns:
        Window numbers ``(intervals,)``, class numbers ``(intervals,)`` and intervals ``(intervals, 2)``, the end exclusive.
    """
    edge = torch.zeros_like(present[..., :1])
    before, after = torch.cat([edge, present], dim=-1), torch.cat([present, edge], dim=-1)
    starts, ends = (after & ~before).nonzero(), (before & ~after).nonzero()  # both in the order of window, class, time
    return starts[:, 0], starts[:, 1], torch.stack([starts[:, 2], ends[:, 2]], dim=-1).float()


def suppress(intervals: Tensor, scores: Tensor, *, limit: float) -> Tensor:
    """Greedy non-maximum suppression: the scores, 0 for what overlaps a better one by more than ``limit``.

    Args:
        intervals: ``(..., candidates, 2)``.
        scores: ``(..., candidates)``, falling.
        limit: Intersection over union that is still two things.
    """
    crowded = overlap(intervals[..., :, None, :], intervals[..., None, :, :]) > limit
    alive = torch.ones_like(scores, dtype=torch.bool)
    for number in range(scores.shape[-1] - 1):
        later = crowded[..., number, number + 1 :] & alive[..., number, None]
        alive[..., number + 1 :] &= ~later
    return scores * alive
