"""BaselineWander: the slow drift that breathing and moving electrodes add."""

from __future__ import annotations

import math
from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval
from ecg_preproc.augment.sinusoids import sinusoids

__all__ = ["BaselineWander", "add_drift"]


def add_drift(x: Any, *, fs: float, amplitude: Any, frequency: Any, phase: Any) -> Any:
    """Add sinusoids to every lead; ``x`` is not modified.

    Args:
        x: ``(windows, leads, samples)``, mV.
        fs: Hz.
        amplitude: ``(windows, waves)``, mV.
        frequency: ``(windows, waves)``, Hz.
        phase: ``(windows, waves)``, rad.
    """
    return x + _drift(x, fs, amplitude, frequency, phase)


def _drift(x: Any, fs: float, amplitude: Any, frequency: Any, phase: Any) -> Any:
    """``(windows, 1, samples)``, of the number type of ``x``."""
    drift = sinusoids(amplitude, frequency * (2 * math.pi / fs), phase, int(x.shape[-1]))
    return namespace(x).astype(drift, x.dtype)[:, None, :]


class BaselineWander(RandomTransform):
    """Add a drift made of a few slow sinusoids, the same in all leads of a window.

    Args:
        amplitude: Range of each sinusoid's amplitude, mV.
        frequency: Range of its frequency, Hz.
        waves: Sinusoids per window.
        p: Probability that a window is changed.
    """

    needs_fs = True
    neutral = {"amplitude": 0.0}
    magnitude = {"amplitude": 0.0}
    in_place = True

    def __init__(
        self,
        *,
        amplitude: tuple[float, float] = (0.0, 0.3),
        frequency: tuple[float, float] = (0.05, 0.5),
        waves: int = 3,
        p: float = 0.5,
    ) -> None:
        if waves < 1:
            raise ValueError(f"waves must be at least 1, got {waves!r}")
        self.amplitude = interval("amplitude", amplitude)
        self.frequency = interval("frequency", frequency)
        self.waves = waves
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"waves": 0}, {"amplitude": (0.3, 0.1)}, {"p": 1.5}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        return {
            "amplitude": generator.uniform(*self.amplitude, size=(self.waves,)),
            "frequency": generator.uniform(*self.frequency, size=(self.waves,)),
            "phase": generator.uniform(0.0, 2 * math.pi, size=(self.waves,)),
        }

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return add_drift(x, fs=fs, **drawn)

    def ready(self, drawn: dict[str, Any], *, like: Any, fs: float) -> dict[str, Any]:
        return {"drift": _drift(like, fs, **drawn)}

    def rework(self, x: Any, *, fs: float, **ready: Any) -> Any:
        x += ready["drift"]
        return x
