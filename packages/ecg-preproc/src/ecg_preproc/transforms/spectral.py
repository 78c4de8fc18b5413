"""Filter in the frequency domain without wrap-around: the signal is extended to a circle whose seam is faded.

Past its end the signal goes on as its own mirror image, and the mirror images of both ends are cross-faded into each
other over the extension. An even reflection errs less than an odd one on strong baseline wander.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace

__all__ = ["extended", "fast_length", "filtered", "mirrored"]


def fast_length(samples: int, *, multiple: int = 1) -> int:
    """The next length at least as long, divisible by ``multiple``, for which an FFT is fast: a product of 2, 3 and 5."""
    wanted = -(-samples // multiple)
    threes_and_fives = [3**i * 5**j for i in range(21) for j in range(14) if 3**i * 5**j < 2 * wanted]
    return multiple * min(odd << max(0, (-(-wanted // odd) - 1).bit_length()) for odd in threes_and_fives)


def extended(x: Any, length: int) -> Any:
    """``(..., samples)`` continued to a circle of ``length`` samples.

    Args:
        x: The signal, at least one sample.
        length: At least as many samples as ``x`` has.
    """
    xp = namespace(x)
    n, extra = x.shape[-1], length - x.shape[-1]
    if extra <= 0:
        return x
    forward, backward = np.arange(extra) + n, np.arange(extra) - extra
    fade = 0.5 * (1 + np.cos(np.pi * (np.arange(extra) + 0.5) / extra))
    after, before = (xp.take(x, asarray_like(mirrored(i, n), x, dtype=xp.int64), axis=-1) for i in (forward, backward))
    weight = asarray_like(fade, x)
    return xp.concat([x, after * weight + before * (1 - weight)], axis=-1)


def filtered(x: Any, *, fs: float, gain: Callable[[np.ndarray], np.ndarray], seconds: float) -> Any:
    """``x`` with each frequency multiplied by a real gain: zero phase, edges extended by at least ``seconds``.

    Args:
        x: ``(..., samples)``.
        fs: Hz.
        gain: Gain at each frequency (Hz).
        seconds: How far a filter of this kind looks.
    """
    xp = namespace(x)
    n = x.shape[-1]
    length = fast_length(n + max(1, round(seconds * fs)))
    spectrum = xp.fft.rfft(extended(x, length), axis=-1)
    response = asarray_like(gain(np.fft.rfftfreq(length, 1 / fs)), x)
    return xp.fft.irfft(spectrum * response, n=length, axis=-1)[..., :n]


def mirrored(index: np.ndarray, n: int) -> np.ndarray:
    """Indices folded back into ``0 … n - 1`` as often as needed, the end samples not repeated."""
    if n == 1:
        return np.zeros_like(index)
    folded = np.mod(index, 2 * (n - 1))
    return np.where(folded < n, folded, 2 * (n - 1) - folded)
