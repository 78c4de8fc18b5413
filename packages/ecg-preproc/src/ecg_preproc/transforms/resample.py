"""Resample: the same signal on another time grid, band-limited.

One FFT pair: the spectrum is cut (or padded with zeros) to the new rate, so that nothing above the new Nyquist frequency
folds back, and sample k of the output stands exactly at k / fs seconds. The top tenth below the lower of both Nyquist
frequencies is faded out: a hard cut would ring for seconds from the ends of the signal.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.spectral import exact_ratio, filtered
from ecg_core.contracts.transform import Transform

__all__ = ["Resample"]

_PERIODS = 15  # of the width over which the gain falls, after which the kernel has decayed to 1e-6
_TAPER = 0.9  # the gain falls from one to zero between this share of the lower Nyquist frequency and the frequency itself


class Resample(Transform):
    """Band-limited resampling.

    Args:
        fs: Target sampling frequency, Hz.

    Shape:
        ``(..., leads, samples)`` to ``(..., leads, ceil(samples · fs_out / fs_in))``.
    """

    needs_fs = True

    def __init__(self, *, fs: float) -> None:
        if not (math.isfinite(fs) and fs > 0):
            raise ValueError(f"fs must be a positive number of Hz, got {fs!r}")
        self.fs = float(fs)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """How the contract kit builds it."""
        return {"arguments": {"fs": 125.0}, "refused": [{"fs": 0.0}, {"fs": float("inf")}]}

    def output_fs(self, fs: float) -> float:
        return self.fs

    def output_length(self, n_samples: int, fs: float) -> int:
        ratio = exact_ratio(self.fs, fs)
        return -(-n_samples * ratio.numerator // ratio.denominator)

    def move(self, positions: Any, *, fs: float, samples: int, **drawn: Any) -> Any:
        xp = namespace(positions)
        there = xp.astype(xp.round(positions * (self.fs / fs)), xp.int64)
        return xp.minimum(there, xp.asarray(self.output_length(samples, fs) - 1))  # the last sample has no later neighbour

    def move_mask(self, mask: Any, *, fs: float, **drawn: Any) -> Any:
        xp = namespace(mask)
        nearest = np.rint(np.arange(self.output_length(mask.shape[-1], fs)) * (fs / self.fs)).clip(0, mask.shape[-1] - 1)
        return xp.take(mask, asarray_like(nearest, mask, dtype=xp.int64), axis=-1)

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        if fs == self.fs:
            return namespace(x).astype(x, x.dtype, copy=True)
        return filtered(x, [self], fs=fs)

    def frequency_response(self, frequencies: np.ndarray, fs: float) -> np.ndarray:
        if fs == self.fs:
            return np.ones_like(frequencies, dtype=np.float64)
        return _taper(frequencies / (min(fs, self.fs) / 2))

    def reach(self, fs: float) -> float:
        return 0.0 if fs == self.fs else _PERIODS / ((1 - _TAPER) * min(fs, self.fs) / 2)


def _taper(frequency: np.ndarray) -> np.ndarray:
    """Gain at a frequency, as a share of Nyquist's. Three continuous derivatives: what an edge stirs up dies out within a second.

    The polynomial is the smoothstep of degree 7; a raised cosine, with one derivative, rings 30 dB louder a second away.
    """
    u = np.clip((frequency - _TAPER) / (1 - _TAPER), 0, 1)
    return 1 - u**4 * (35 - 84 * u + 70 * u**2 - 20 * u**3)
