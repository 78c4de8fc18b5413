"""BandPass: keep a band of frequencies, with zero phase."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.contracts.spectral import filtered
from ecg_core.contracts.transform import Transform
from ecg_preproc.transforms.butterworth import check_edges, high_pass_gain, low_pass_gain, reach

__all__ = ["BandPass"]


class BandPass(Transform):
    """Zero-phase band-pass: a Butterworth high-pass and a Butterworth low-pass, each run forwards and backwards.

    Args:
        low: Lower edge in Hz; ``None`` makes it a low-pass.
        high: Upper edge in Hz; ``None`` makes it a high-pass.
        order: Of the filter that runs in each direction. The gain at an edge is one half (-6 dB).

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
        check_edges(self.low, self.high, fs)
        return filtered(x, [self], fs=fs)

    def frequency_response(self, frequencies: np.ndarray, fs: float) -> np.ndarray:
        check_edges(self.low, self.high, fs)
        gain = np.ones_like(frequencies, dtype=np.float64)
        if self.high is not None:
            gain *= low_pass_gain(frequencies, self.high, self.order, fs)
        if self.low is not None:
            gain *= high_pass_gain(frequencies, self.low, self.order, fs)
        return gain

    def reach(self, fs: float) -> float:
        return max(reach(edge, self.order, fs) for edge in (self.low, self.high) if edge is not None)
