"""PowerlineNoise: mains hum with its harmonics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval

__all__ = ["PowerlineNoise"]


class PowerlineNoise(RandomTransform):
    """Add hum: one mains frequency per window, its phases shared by the leads, its strength different in each.

    Harmonics above the Nyquist frequency are left out, as the filter of a recorder does; harmonic k has 1/k of the
    fundamental's amplitude.

    Args:
        frequencies: Mains frequencies to choose from, Hz.
        deviation: Largest distance of the mains from its nominal frequency, Hz.
        amplitude: Range of the fundamental's amplitude in the strongest possible lead, mV.
        harmonics: Multiples of the mains frequency, the fundamental included.
        p: Probability that a window is changed.
    """

    needs_fs = True
    neutral = {"amplitude": 0.0}
    magnitude = {"amplitude": 0.0}
    in_place = True

    def __init__(
        self,
        *,
        frequencies: Sequence[float] = (50.0, 60.0),
        deviation: float = 0.2,
        amplitude: tuple[float, float] = (0.0, 0.1),
        harmonics: int = 3,
        p: float = 0.5,
    ) -> None:
        if not frequencies or not all(0 < f < float("inf") for f in frequencies):
            raise ValueError(f"frequencies must be one or more numbers of Hz above 0, got {frequencies!r}")
        if not 0 <= deviation < min(frequencies):
            raise ValueError(f"deviation must be at least 0 and below the mains frequency, got {deviation!r}")
        if harmonics < 1:
            raise ValueError(f"harmonics must be at least 1, got {harmonics!r}")
        self.frequencies = tuple(float(f) for f in frequencies)
        self.deviation = deviation
        self.amplitude = interval("amplitude", amplitude)
        self.harmonics = harmonics
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """How the contract kit builds it: with a sampling frequency that has room for mains."""
        refused = [{"frequencies": ()}, {"deviation": 60.0}, {"amplitude": (0.1, 0.0)}, {"harmonics": 0}, {"p": 1.5}]
        return {"fs": 250.0, "refused": refused}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        nominal = asarray_like(np.asarray(self.frequencies, dtype=np.float32), generator.uniform())
        chosen = namespace(nominal).take(nominal, generator.integers(len(self.frequencies)))
        return {
            "frequency": chosen + generator.uniform(-self.deviation, self.deviation),
            "phase": generator.uniform(0.0, 2 * math.pi, size=(self.harmonics,)),
            "amplitude": generator.uniform(*self.amplitude)[:, None] * generator.uniform(0.2, 1.0, size=(shape[1],)),
        }

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        ready = self.ready(drawn, like=x, fs=fs)
        return x + ready["amplitude"] * ready["hum"]

    def rework(self, x: Any, *, fs: float, **ready: Any) -> Any:
        x += ready["amplitude"] * ready["hum"]
        return x

    def ready(self, drawn: dict[str, Any], *, like: Any, fs: float) -> dict[str, Any]:
        highest = max(self.frequencies) + self.deviation
        if highest >= fs / 2:
            raise ValueError(f"cannot add hum of up to {highest:g} Hz at fs = {fs:g} Hz; it needs fs above {2 * highest:g} Hz")
        xp = namespace(like)
        time = asarray_like(np.arange(like.shape[-1]) / fs, like, dtype=xp.float64)
        frequency = xp.astype(drawn["frequency"], xp.float64)[:, None]
        # A float32 angle would lose the phase within minutes: it is reduced to one turn in double precision first.
        turn = frequency * time
        turn = xp.astype(turn - xp.floor(turn), xp.float32) * (2 * math.pi)
        hum = xp.zeros_like(turn)
        for k in range(1, self.harmonics + 1):
            audible = xp.astype(frequency * k < fs / 2, xp.float32)
            hum = hum + xp.sin(k * turn + drawn["phase"][:, k - 1 : k]) * (audible / k)
        amplitude, hum = xp.astype(drawn["amplitude"], like.dtype), xp.astype(hum, like.dtype)
        return {"amplitude": amplitude[:, :, None], "hum": hum[:, None, :]}
