"""HighPass and LowPass: everything above, or below, one frequency, with zero phase."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.contracts.spectral import filtered
from ecg_core.contracts.transform import Transform
from ecg_preproc.transforms.butterworth import check_edges, high_pass_gain, low_pass_gain, reach

__all__ = ["HighPass", "LowPass"]


class HighPass(Transform):
    """Zero-phase Butterworth high-pass, run forwards and backwards.

    Args:
        low: Edge in Hz, where the gain is one half (-6 dB). 0.5 for monitoring; 0.05 keeps ST segments.
        order: Of the filter that runs in each direction.

    Shape:
        ``(..., leads, samples)``, unchanged.
    """

    needs_fs = True

    def __init__(self, *, low: float = 0.5, order: int = 3) -> None:
        self.low = _positive("low", low)
        self.order = _at_least_one(order)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"low": 0.0}, {"order": 0}]}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return filtered(x, [self], fs=fs)

    def frequency_response(self, frequencies: np.ndarray, fs: float) -> np.ndarray:
        check_edges(self.low, None, fs)
        return high_pass_gain(frequencies, self.low, self.order, fs)

    def reach(self, fs: float) -> float:
        return reach(self.low, self.order, fs)


class LowPass(Transform):
    """Zero-phase Butterworth low-pass, run forwards and backwards.

    Args:
        high: Edge in Hz, where the gain is one half (-6 dB).
        order: Of the filter that runs in each direction.

    Shape:
        ``(..., leads, samples)``, unchanged.
    """

    needs_fs = True

    def __init__(self, *, high: float = 40.0, order: int = 3) -> None:
        self.high = _positive("high", high)
        self.order = _at_least_one(order)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"high": -1.0}, {"order": 0}]}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return filtered(x, [self], fs=fs)

    def frequency_response(self, frequencies: np.ndarray, fs: float) -> np.ndarray:
        check_edges(None, self.high, fs)
        return low_pass_gain(frequencies, self.high, self.order, fs)

    def reach(self, fs: float) -> float:
        return reach(self.high, self.order, fs)


def _positive(name: str, edge: float) -> float:
    if not edge > 0:
        raise ValueError(f"{name} must be a positive number of Hz, got {edge!r}")
    return float(edge)


def _at_least_one(order: int) -> int:
    if order < 1:
        raise ValueError(f"order must be at least 1, got {order!r}")
    return order
