"""Running median of any window length, for NumPy and torch, in n log n: quantile queries on a wavelet matrix.

The samples are replaced by their ranks. Bit by bit, from the highest, the ranks are parted into those with the bit clear and
those with it set, keeping their order; counts of clear bits up to each place say how many of a window go either way, and so
which way its middle goes (Claude, Navarro and Ordóñez 2015). All windows take each step at once, so neither time nor memory
grows with the window.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.spectral import blockwise, mirrored

__all__ = ["odd_length", "running_median"]


def odd_length(seconds: float, fs: float) -> int:
    """``seconds`` in samples, made odd by leaving one out."""
    samples = round(seconds * fs)
    return max(1, samples - (1 - samples % 2))


def running_median(x: Any, length: int) -> Any:
    """Median of the ``length`` samples (odd) around each sample of ``(windows, leads, samples)``.

    Past the ends the signal is its mirror image. NaN counts as larger than every number.
    """
    return blockwise(x, lambda block: _running_median(block, length))


def _running_median(x: Any, length: int) -> Any:
    xp = namespace(x)
    n, half = x.shape[-1], length // 2
    index = asarray_like(mirrored(np.arange(-half, n + half), n), x, dtype=xp.int64)
    padded = xp.take(x, index, axis=-1)
    order = xp.argsort(padded, axis=-1, stable=True)
    ranks = xp.argsort(order, axis=-1, stable=True)
    start = xp.zeros_like(ranks[..., :n]) + asarray_like(np.arange(n), x, dtype=xp.int64)
    stop = start + length
    middle, found = xp.full_like(start, half), xp.zeros_like(start)
    for bit in reversed(range(max(1, (n + 2 * half - 1).bit_length()))):
        is_set = (ranks >> bit) & 1
        clear = xp.cumulative_sum(1 - is_set, axis=-1, include_initial=True)
        before_start, before_stop = (xp.take_along_axis(clear, place, axis=-1) for place in (start, stop))
        inside = before_stop - before_start
        up = middle >= inside
        found = found | (xp.astype(up, xp.int64) << bit)
        middle = xp.where(up, middle - inside, middle)
        total = clear[..., -1:]
        start = xp.where(up, total + start - before_start, before_start)
        stop = xp.where(up, total + stop - before_stop, before_stop)
        ranks = xp.take_along_axis(ranks, xp.argsort(is_set, axis=-1, stable=True), axis=-1)
    return xp.take_along_axis(padded, xp.take_along_axis(order, found, axis=-1), axis=-1)
