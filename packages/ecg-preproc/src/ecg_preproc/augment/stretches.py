"""Stretches: from every window the samples that begin at a place of its own, as whole runs of memory and not one by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace

__all__ = ["gathered", "hidden", "runs_at", "stretches"]


def runs_at(x: Any, start: Any, length: int) -> Any:
    """``(..., length)``: the runs of a line of samples that begin at the int64 positions ``start``, each copied in one piece.

    ``index_select`` copies rows; indexing a tensor copies element by element, five times as slow.
    """
    if isinstance(x, np.ndarray):
        return np.lib.stride_tricks.sliding_window_view(x, length)[start]
    return x.unfold(0, length, 1).index_select(0, start.reshape(-1)).reshape((*start.shape, length))


def stretches(x: Any, start: Any, length: int) -> Any:
    """``(windows, leads, length)``: of each window of ``x`` the samples from ``start`` on.

    Args:
        x: ``(windows, leads, samples)``.
        start: ``(windows,)`` int64, between 0 and ``samples - length``.
        length: Samples.
    """
    xp = namespace(x)
    if getattr(x, "requires_grad", False):  # the gradient of the view would be as large as all runs together
        return gathered(x, start[:, None] + asarray_like(np.arange(length), x, dtype=xp.int64))
    windows, leads, samples = (int(n) for n in x.shape)
    if windows == 0:
        return x[..., :length]
    rows = asarray_like(np.arange(windows * leads).reshape(windows, leads) * samples, x, dtype=xp.int64)
    return runs_at(xp.reshape(x, (-1,)), rows + start[:, None], length)


def gathered(x: Any, index: Any) -> Any:
    """``(windows, leads, points)``: the samples of every lead at ``(windows, points)`` int64 positions.

    The array API's ``take_along_axis`` writes the index out for every lead when ``x`` is a tensor, five times as slow.
    """
    shape = (*x.shape[:-1], index.shape[-1])
    if isinstance(x, np.ndarray):
        return np.take_along_axis(x, np.broadcast_to(index[:, None, :], shape), axis=-1)
    return x.gather(-1, index[:, None, :].expand(shape))


def hidden(start: Any, width: Any, samples: int, *, circular: bool = False) -> Any:
    """``(..., samples)`` booleans: true inside any of the stretches.

    Args:
        start: ``(..., stretches)`` first sample.
        width: ``(..., stretches)`` samples; 0 hides nothing.
        samples: Length of the window.
        circular: Whether a stretch that leaves the window at its end comes in again at its beginning.
    """
    xp = namespace(start)
    position = asarray_like(np.arange(samples), start)
    out = None
    for i in range(start.shape[-1]):
        begin = start[..., i : i + 1]
        into = xp.remainder(position - begin, samples) if circular else position - begin
        there = (into >= 0) & (into < width[..., i : i + 1])
        out = there if out is None else out | there
    return xp.zeros((*start.shape[:-1], samples), dtype=xp.bool, device=start.device) if out is None else out
