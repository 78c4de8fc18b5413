"""Adjacent segments of windows: equally long, one directly behind the other."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ecg_core.data.batch import Batch

__all__ = ["adjacent_segments"]

_PLACE = 0x5E6  # the draw of where segments begin


def adjacent_segments(batch: Batch, count: int = 2, *, seconds: float | None = None) -> tuple[Batch, ...]:
    """Cut ``count`` segments out of every window, each beginning where the one before ends.

    Args:
        batch: Windows.
        count: Segments of each.
        seconds: Their length; they then stand at a random place of the window, which is a function of its key, the seed and the
            epoch. ``None`` divides the whole window; samples that are left over at its end are left out.

    Returns:
        Batches of the same windows, without annotations and targets per step, which do not belong to the segments.

    Raises:
        ValueError: A window is too short for them.
    """
    samples = int(batch.signal.shape[-1])
    length = samples // count if seconds is None else round(seconds * batch.fs)
    if length < 1 or count * length > samples:
        wanted = f"{count} segments" + ("" if seconds is None else f" of {seconds:g} s ({length} samples at {batch.fs:g} Hz)")
        raise ValueError(f"a window of {samples} samples has no room for {wanted}; use longer windows or shorter segments")
    slack = samples - count * length
    if seconds is None or not slack:
        start = torch.zeros(len(batch), dtype=torch.int64, device=batch.signal.device)
    else:
        start = (batch.draws(_PLACE).uniform() * (slack + 1)).long().clamp(max=slack)
    steps = torch.arange(length, device=batch.signal.device)
    return tuple(_cut(batch, start[:, None] + number * length + steps) for number in range(count))


def _cut(batch: Batch, index: Tensor) -> Batch:
    signal = batch.signal.gather(-1, index[:, None, :].expand(-1, batch.signal.shape[1], -1))
    mask = None if batch.mask is None else torch.as_tensor(batch.mask, device=index.device).gather(-1, index)
    return replace(batch, signal=signal, mask=mask, step_targets=None, annotations={})
