"""BaselineRemove: estimate the baseline by two moving averages, one after the other, and subtract it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.transform import Transform
from ecg_preproc.transforms.spectral import mirrored

__all__ = ["BaselineRemove"]


class BaselineRemove(Transform):
    """Subtract a smoothed copy of the signal.

    The windows follow de Chazal et al. 2004 (0.2 s smooths over QRS and P, 0.6 s over T), who take medians; averages are
    linear, and an order of magnitude faster.

    Args:
        windows: Lengths of the moving averages, in seconds.

    Shape:
        ``(..., leads, samples)``, unchanged.
    """

    needs_fs = True

    def __init__(self, *, windows: Sequence[float] = (0.2, 0.6)) -> None:
        if not windows or min(windows) <= 0:
            raise ValueError(f"windows must be positive lengths in seconds, got {tuple(windows)!r}")
        self.windows = tuple(windows)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"windows": ()}, {"windows": (0.2, -0.6)}]}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        baseline = x
        for seconds in self.windows:
            baseline = _moving_average(baseline, _odd_length(seconds, fs))
        return x - baseline

    def frequency_response(self, frequencies: np.ndarray, fs: float) -> np.ndarray:
        smooth = np.ones_like(frequencies, dtype=np.float64)
        for seconds in self.windows:
            n, phase = _odd_length(seconds, fs), np.pi * frequencies / fs
            with np.errstate(invalid="ignore", divide="ignore"):
                smooth *= np.where(np.isclose(np.sin(phase), 0), 1.0, np.sin(n * phase) / (n * np.sin(phase)))
        return 1 - smooth


def _odd_length(seconds: float, fs: float) -> int:
    return max(1, 2 * (round(seconds * fs) // 2) + (1 if round(seconds * fs) % 2 else -1))


def _moving_average(x: Any, length: int) -> Any:
    """Centred mean over an odd number of samples; past the ends the signal is its mirror image.

    By differences of a running sum in float64, so the cost does not grow with the length.
    """
    xp = namespace(x)
    n, half = x.shape[-1], length // 2
    index = mirrored(np.arange(-half, n + half), n)
    padded = xp.astype(xp.take(x, asarray_like(index, x, dtype=xp.int64), axis=-1), xp.float64)
    total = xp.cumulative_sum(padded, axis=-1, include_initial=True)
    return xp.astype((total[..., length:] - total[..., :-length]) / length, x.dtype)
