"""BandPass: keep a band of frequencies, with zero phase.

The gain is that of a Butterworth filter run forwards and backwards (Butterworth 1930; Gustafsson 1996), computed exactly
in the frequency domain, so it is the same at every sampling frequency and never unstable.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ecg_core.contracts.transform import Transform
from ecg_preproc.transforms.spectral import filtered

__all__ = ["BandPass"]


class BandPass(Transform):
    """Zero-phase band-pass.

    Args:
        low: Lower edge in Hz; ``None`` makes it a low-pass.
        high: Upper edge in Hz; ``None`` makes it a high-pass.
        order: Of the Butterworth filter that runs in each direction. The gain at an edge is one half (-6 dB).

    Shape:
        ``(..., leads, samples)``, unchanged.
    """

    needs_fs = True

    def __init__(self, *, low: float | None = 0.5, high: float | None = 40.0, order: int = 3) -> None:
        if low is None and high is None:
            raise ValueError("a band-pass needs an edge: give low=…, high=… (Hz) or both")
        if order < 1:
            raise ValueError(f"order must be at least 1, got {order!r}")
        self.low = low
        self.high = high
        self.order = order

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"low": None, "high": None}, {"order": 0}]}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        self._check(fs)
        # A high-pass remembers for about two periods of its edge; a low-pass alone is short.
        seconds = 2.0 if self.low is None else min(max(2.0, 2.0 / self.low), 10.0)
        return filtered(x, fs=fs, gain=lambda f: self.frequency_response(f, fs), seconds=seconds)

    def frequency_response(self, frequencies: np.ndarray, fs: float) -> np.ndarray:
        gain = np.ones_like(frequencies, dtype=np.float64)
        if self.high is not None:
            gain /= 1 + (frequencies / self.high) ** (2 * self.order)
        if self.low is not None:
            ratio = (frequencies / self.low) ** (2 * self.order)
            gain *= ratio / (1 + ratio)
        return gain

    def _check(self, fs: float) -> None:
        low, high = self.low, self.high
        edges = [edge for edge in (0.0, low, high, fs / 2) if edge is not None]
        if not all(a < b for a, b in pairwise(edges)):
            raise ValueError(f"frequency must satisfy 0 < low < high < fs / 2 = {fs / 2:g} Hz, got ({low}, {high})")
