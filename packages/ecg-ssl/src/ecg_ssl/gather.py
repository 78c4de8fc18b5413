"""Rows of all processes as one batch, with gradients: contrastive losses see the negatives of every rank.

Each process gets the same rows in the order of the ranks and computes the same loss of all of them. Its own rows receive the
gradients of every process's copy of that loss, so that the mean over the processes, as DDP takes it, is the gradient of the loss
of the whole batch, however unevenly it was divided.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["gather_rows", "is_distributed"]


def is_distributed() -> bool:
    """Whether there are other processes."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def gather_rows(x: Tensor) -> Tensor:
    """``(rows, …)`` of this process to those of all, ``(all rows, …)``; processes may have different numbers of rows.

    Without other processes it is ``x`` itself.
    """
    return _GatherRows.apply(x) if is_distributed() else x


def _row_counts(rows: int, device: torch.device) -> list[int]:
    counts = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, torch.tensor([rows], device=device))
    return [int(count) for count in counts]


class _GatherRows(torch.autograd.Function):
    """Uneven batches are padded to the longest, because collectives want equal shapes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        rows, rank = _row_counts(len(x), x.device), dist.get_rank()
        padded = x.new_zeros((max(rows), *x.shape[1:]))
        padded[: len(x)] = x
        parts = [torch.empty_like(padded) for _ in rows]
        dist.all_gather(parts, padded)
        ctx.start, ctx.rows = sum(rows[:rank]), rows[rank]
        return torch.cat([part[:count] for part, count in zip(parts, rows, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        total = grad_output.contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.start : ctx.start + ctx.rows]
