"""Silence: one value in place of some samples, written over them bit by bit.

What is silenced may hold NaN, so a multiplication by 0 does not do. A choice per element is eight times as slow as an AND
of the bits with a mask of ones or zeros, which processors do on whole registers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace

__all__ = ["silence", "silenced"]


def silenced(x: Any, hidden: Any, value: float) -> Any:
    """A copy of ``x`` with ``value`` where the booleans ``hidden``, broadcast to it, are true."""
    xp = namespace(x)
    return xp.where(hidden, xp.full_like(x, value), x)


def silence(x: Any, hidden: Any, value: float) -> Any:
    """``x``, float32 or float64 and nobody else's, with ``value`` written where ``hidden`` is true.

    Args:
        x: Signal.
        hidden: Booleans, or integers of the size of a sample that are 0 where it is hidden and -1 where not; broadcast to ``x``.
        value: What a hidden sample becomes.
    """
    xp = namespace(x)
    integers = xp.int32 if x.dtype.itemsize == 4 else xp.int64
    keep = xp.astype(hidden, integers) - 1 if hidden.dtype == xp.bool else hidden
    bits = x.view(integers)
    bits &= keep
    if value != 0:
        number = np.float32(value).view(np.int32) if x.dtype.itemsize == 4 else np.float64(value).view(np.int64)
        bits |= ~keep & asarray_like(np.asarray(number), bits)
    return x
