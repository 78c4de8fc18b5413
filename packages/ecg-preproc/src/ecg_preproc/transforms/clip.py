"""Clip: hold amplitudes within a range."""

from __future__ import annotations

from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.transform import Transform

__all__ = ["Clip"]


class Clip(Transform):
    """Every sample beyond a bound becomes that bound; infinities too. NaN stays NaN.

    Args:
        low: Lower bound, mV.
        high: Upper bound, mV. ±10 mV is more than any heart gives and less than most amplifiers saturate at.

    Shape:
        ``(..., leads, samples)``, unchanged.
    """

    def __init__(self, *, low: float = -10.0, high: float = 10.0) -> None:
        if not low < high:
            raise ValueError(f"low must be below high (mV), got ({low}, {high})")
        self.low = float(low)
        self.high = float(high)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"idempotent": True, "refused": [{"low": 1.0, "high": 1.0}]}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        xp = namespace(x)
        below = xp.where(x < self.low, self.low, x)
        return xp.where(below > self.high, self.high, below)

    def reach(self, fs: float) -> float:
        return 0.0
