"""MagnitudeWarp: amplitudes that drift in time (Um et al. 2017, ICMI, doi 10.1145/3136755.3136817).

Differs from the paper: the curve is a sum of slow cosines instead of a spline through random knots, which bounds it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval

__all__ = ["MagnitudeWarp"]


class MagnitudeWarp(RandomTransform):
    """Multiply by a smooth random curve around 1, the same in all leads.

    Args:
        strength: Range of the curve's largest possible distance from 1.
        waves: Half waves of the fastest part of the curve within a window.
        p: Probability that a window is changed.
    """

    neutral = {"weight": 0.0}
    magnitude = {"strength": 0.0}
    in_place = True

    def __init__(self, *, strength: tuple[float, float] = (0.1, 0.4), waves: int = 4, p: float = 0.5) -> None:
        if waves < 1:
            raise ValueError(f"waves must be at least 1, got {waves!r}")
        self.strength = interval("strength", strength)
        self.waves = waves
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"strength": (0.4, 0.1)}, {"waves": 0}, {"p": 2.0}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        xp = namespace(generator.keys)
        weight = generator.uniform(-1.0, 1.0, size=(self.waves,))
        weight = weight / xp.sum(xp.abs(weight), axis=1, keepdims=True)
        phase = generator.uniform(0.0, 2 * math.pi, size=(self.waves,))
        return {"weight": weight * generator.uniform(*self.strength)[:, None], "phase": phase}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return x * self._curve(x, drawn)

    def ready(self, drawn: dict[str, Any], *, like: Any, fs: float) -> dict[str, Any]:
        return {"curve": self._curve(like, drawn)}

    def rework(self, x: Any, *, fs: float, **ready: Any) -> Any:
        x *= ready["curve"]
        return x

    def _curve(self, x: Any, drawn: dict[str, Any]) -> Any:
        """``(windows, 1, samples)``, around 1."""
        xp = namespace(x)
        place = asarray_like(np.arange(x.shape[-1]) * (math.pi / max(1, x.shape[-1] - 1)), drawn["phase"])
        curve = sum(
            drawn["weight"][:, k : k + 1] * xp.cos((k + 1) * place[None] + drawn["phase"][:, k : k + 1])
            for k in range(self.waves)
        )
        return xp.astype(1 + curve, x.dtype)[:, None, :]
