"""CutoutSegments: several short gaps, each lead its own, as a loose electrode makes them (cut-out: DeVries and Taylor 2017)."""

from __future__ import annotations

from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval
from ecg_preproc.augment.stretches import hidden

__all__ = ["CutoutSegments"]


class CutoutSegments(RandomTransform):
    """Set short stretches of the signal to one value.

    Args:
        seconds: Range of a gap's length, s.
        gaps: How many per lead (or per window); they may overlap.
        per_lead: Each lead has gaps of its own; otherwise all leads share them.
        value: What a sample in a gap becomes, mV.
        p: Probability that a window is changed.
    """

    needs_fs = True
    neutral = {"width": 0.0}
    magnitude = {"seconds": 0.0}

    def __init__(
        self,
        *,
        seconds: tuple[float, float] = (0.05, 0.2),
        gaps: int = 5,
        per_lead: bool = True,
        value: float = 0.0,
        p: float = 0.5,
    ) -> None:
        if gaps < 1:
            raise ValueError(f"gaps must be at least 1, got {gaps!r}")
        self.seconds = interval("seconds", seconds)
        self.gaps = gaps
        self.per_lead = per_lead
        self.value = value
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"seconds": (0.2, 0.1)}, {"gaps": 0}, {"p": 2.0}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        size = (shape[1] if self.per_lead else 1, self.gaps)
        return {"width": generator.uniform(*self.seconds, size=size), "place": generator.uniform(size=size)}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        xp = namespace(x)
        n = int(x.shape[-1])
        width = xp.clip(xp.ceil(drawn["width"] * fs), 0, n)
        start = xp.floor(drawn["place"] * (n - width + 1))
        return xp.where(hidden(start, width, n), xp.full_like(x, self.value), x)
