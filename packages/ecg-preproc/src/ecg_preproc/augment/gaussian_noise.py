"""GaussianNoise: white noise, as an amplifier adds it."""

from __future__ import annotations

from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval

__all__ = ["GaussianNoise"]


class GaussianNoise(RandomTransform):
    """Add independent normal noise to every sample.

    Args:
        std: Range of the noise's standard deviation, mV, one per window.
        p: Probability that a window is changed.
    """

    def __init__(self, *, std: tuple[float, float] = (0.0, 0.05), p: float = 0.5) -> None:
        self.std = interval("std", std)
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"std": (-0.1, 0.1)}, {"p": -1.0}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        return {"std": generator.uniform(*self.std), "noise": generator.normal(shape[1:])}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return x + namespace(x).astype(drawn["std"][:, None, None] * drawn["noise"], x.dtype)
