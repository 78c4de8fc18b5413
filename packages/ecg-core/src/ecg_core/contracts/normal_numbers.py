"""Normal numbers: random bits become standard normal numbers by a table of the inverse distribution function.

Sixteen bits choose one of 65 536 cells of equal probability, and the number is the mean of the normal distribution within that
cell. So the distribution function is nowhere off by more than 2^-16, the mean is 0, the variance 1, and the kurtosis 3 to within
0.003; no number is beyond 4.5. Noise in a recording has fewer levels: a standard deviation is some ten units of the converter.
Logarithms and cosines (Box and Muller 1958) take four times as long.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, is_numpy_array, namespace

__all__ = ["PER_INTEGER", "normal_numbers"]

PER_INTEGER = 4  # numbers that 64 bits give
_CELLS = 1 << 16


@lru_cache(maxsize=1)
def _table() -> np.ndarray:
    """``(65536,)`` float32: the mean of each cell, which is the difference of the densities at its edges over its probability."""
    normal = NormalDist()
    lower = np.array([0.0] + [normal.pdf(normal.inv_cdf(i / _CELLS)) for i in range(1, _CELLS // 2 + 1)])
    below = -np.diff(lower) * _CELLS
    below /= np.sqrt(np.mean(below**2))  # what the spread within the cells would add
    return np.concatenate([below, -below[::-1]]).astype(np.float32)


def normal_numbers(bits: Any, count: int, *, out: np.ndarray | None = None) -> Any:
    """``(windows, count)`` float32 standard normal numbers.

    Args:
        bits: ``(windows, n)`` int64 random bits, ``count`` at most ``4 · n``.
        count: Numbers of each window.
        out: Where to put them; for arrays.
    """
    if is_numpy_array(bits):
        return np.take(_table(), bits.view(np.uint16)[:, :count], out=out, mode="clip")
    xp = namespace(bits)
    cells = xp.astype(bits.view(xp.int16)[:, :count], xp.int64) & (_CELLS - 1)
    return asarray_like(_table(), bits, dtype=xp.float32)[cells]
