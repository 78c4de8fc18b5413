"""RandomMasking: silence one stretch of time in all leads (TimeOut of Mehari and Strodthoff 2022)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval

__all__ = ["RandomMasking"]


class RandomMasking(RandomTransform):
    """Set a contiguous stretch of every lead to zero.

    Args:
        ratio: Range of the stretch's share of the window.
        p: Probability that a window is changed.
    """

    def __init__(self, *, ratio: tuple[float, float] = (0.0, 0.5), p: float = 0.5) -> None:
        self.ratio = interval("ratio", ratio, most=1.0)
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"ratio": (0.0, 1.5)}, {"p": 2.0}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        ratio = generator.uniform(*self.ratio)
        return {"start": generator.uniform() * (1 - ratio), "ratio": ratio}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        xp = namespace(x)
        position = asarray_like(np.arange(x.shape[-1]), x) / x.shape[-1]
        start = drawn["start"][:, None]
        masked = (position >= start) & (position < start + drawn["ratio"][:, None])
        return xp.where(masked[:, None, :], xp.zeros_like(x), x)  # not 0 * x: what is silenced may hold NaN
