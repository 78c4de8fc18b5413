"""TimeWarp: time runs now a little faster, now a little slower (Um et al. 2017, ICMI, doi 10.1145/3136755.3136817).

Differs from the paper: the map is a sum of sines with a closed form instead of a spline through random knots. It keeps both
ends of the window, never turns back, and can be inverted to any precision, so that annotations land where their waves do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import probability
from ecg_preproc.augment.interval import interval
from ecg_preproc.augment.sinusoids import sinusoids
from ecg_preproc.augment.time_map import TimeMap

__all__ = ["TimeWarp"]

_HALVINGS = 50  # of an interval no longer than the window: below 1e-9 samples for a million


class TimeWarp(TimeMap):
    """Warp time smoothly; both ends stay, and positions, masks and step targets move along.

    Args:
        strength: Range of the largest relative change of speed: at 0.2, time runs between 0.8 and 1.2 times as fast.
        waves: Half waves of the slowest to the fastest part of the warp; more make it more local.
        p: Probability that a window is changed.
    """

    magnitude = {"strength": 0.0}

    def __init__(self, *, strength: tuple[float, float] = (0.05, 0.2), waves: int = 4, p: float = 0.5) -> None:
        if waves < 1:
            raise ValueError(f"waves must be at least 1, got {waves!r}")
        self.strength = interval("strength", strength, most=0.9)
        self.waves = waves
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"strength": (0.0, 1.0)}, {"waves": 0}, {"p": 1.5}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        xp = namespace(generator.keys)
        weight = generator.uniform(-1.0, 1.0, size=(self.waves,))
        strength = generator.uniform(*self.strength)
        return {"speed": weight / xp.sum(xp.abs(weight), axis=1, keepdims=True) * strength[:, None]}

    def source(self, at: Any, *, samples: int, **drawn: Any) -> Any:
        xp = namespace(at)
        length, number, bend = self._terms(samples, drawn["speed"])
        return at + length * sum(bend[:, k : k + 1] * xp.sin(number[k] * at / length) for k in range(self.waves))

    def grid_source(self, grid: Any, *, samples: int, **drawn: Any) -> Any:
        length, number, bend = self._terms(samples, drawn["speed"])
        turn = namespace(bend).broadcast_to(number / length, bend.shape)
        return grid + sinusoids(length * bend, turn, bend * 0, samples)

    def _terms(self, samples: int, speed: Any) -> tuple[int, Any, Any]:
        """Length of the axis, and of each wave its angle at the end and its weight; float64."""
        xp = namespace(speed)
        speed = xp.astype(speed, xp.float64)
        number = asarray_like(np.arange(1, self.waves + 1) * math.pi, speed)
        # The derivative of each term is speed · cos, so the sum of |speed| bounds the change.
        return max(1, samples - 1), number, speed / number

    def destination(self, at: Any, *, samples: int, **drawn: Any) -> Any:
        xp = namespace(at)
        low, high = xp.zeros_like(at), xp.full_like(at, float(max(1, samples - 1)))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            late = self.source(middle, samples=samples, **drawn) > at
            low, high = xp.where(late, low, middle), xp.where(late, middle, high)
        return (low + high) / 2
