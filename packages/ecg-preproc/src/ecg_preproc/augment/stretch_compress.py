"""StretchCompress: the same heart, faster or slower."""

from __future__ import annotations

from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import probability
from ecg_preproc.augment.interval import interval
from ecg_preproc.augment.time_map import TimeMap

__all__ = ["StretchCompress"]


class StretchCompress(TimeMap):
    """Stretch or compress time around the middle of the window; the length stays, what is missing at the ends is 0.

    Positions, masks and step targets move along; samples that are missing are 0 there too, so a mask says they are not
    measured. Values between two samples are interpolated linearly.

    Args:
        ratio: Range of the change: 0.06 is 6 % longer or, as often, 6 % shorter.
        p: Probability that a window is changed.
    """

    magnitude = {"ratio": 0.0}

    def __init__(self, *, ratio: tuple[float, float] = (0.01, 0.12), p: float = 0.5) -> None:
        self.ratio = interval("ratio", ratio, most=0.9)
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"ratio": (0.0, 1.0)}, {"p": 1.5}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        xp = namespace(generator.keys)
        change = generator.uniform(*self.ratio)
        return {"factor": 1 + xp.where(generator.happens(0.5), change, -change)}

    def source(self, at: Any, *, samples: int, **drawn: Any) -> Any:
        middle = (samples - 1) / 2
        return middle + (at - middle) * (1 / _column(drawn["factor"]))  # a division per window, not per sample

    def destination(self, at: Any, *, samples: int, **drawn: Any) -> Any:
        middle = (samples - 1) / 2
        return middle + (at - middle) * _column(drawn["factor"])


def _column(values: Any) -> Any:
    xp = namespace(values)
    return xp.astype(values, xp.float64)[:, None]
