"""Padding of the time axis by a constant, by the end samples, or by the mirror image."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.spectral import mirrored

__all__ = ["Padding", "padded"]

Padding = Literal["constant", "edge", "mirror"]


def padded(x: Any, before: int, after: int, mode: Padding, value: float) -> Any:
    """``(..., samples)`` with this many samples more on either side, as a new array."""
    xp, n = namespace(x), x.shape[-1]
    if mode == "constant":
        sides = (xp.full((*x.shape[:-1], count), value, dtype=x.dtype, device=x.device) for count in (before, after))
        return xp.concat([next(sides), x, next(sides)], axis=-1)
    index = np.arange(-before, n + after)
    index = index.clip(0, n - 1) if mode == "edge" else mirrored(index, n)
    return xp.take(x, asarray_like(index, x, dtype=xp.int64), axis=-1)
