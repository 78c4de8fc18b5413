"""Silence: one value in place of some samples, written over them bit by bit.

What is silenced may hold NaN, so a multiplication by 0 does not do. A choice per element is eight times as slow as an AND
of the bits with a mask of ones or zeros, which processors do on whole registers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace

__all__ = ["bit_mask", "silence", "silenced"]


def silenced(x: Any, hidden: Any, value: float) -> Any:
    """A copy of ``x`` with ``value`` where the booleans ``hidden``, broadcast to it, are true."""
    xp = namespace(x)
    return xp.where(hidden, xp.full_like(x, value), x)


def bit_mask(hidden: Any, like: Any) -> Any:
    """Integers of the size of a number of ``like``: no bit set where the booleans ``hidden`` are true, all elsewhere."""
    xp = namespace(like)
    return xp.astype(hidden, xp.int32 if like.dtype.itemsize == 4 else xp.int64) - 1


def silence(x: Any, keep: Any, value: float) -> Any:
    """``x``, float32 or float64 and nobody else's, with ``value`` written where the :func:`bit_mask` ``keep`` has no bits."""
    bits = x.view(keep.dtype)
    bits &= keep
    if value != 0:
        number = np.float32(value).view(np.int32) if x.dtype.itemsize == 4 else np.float64(value).view(np.int64)
        bits |= ~keep & asarray_like(np.asarray(number), bits)
    return x
