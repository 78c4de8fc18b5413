"""SpectralPhaseSurrogate: another signal with the same amplitude spectrum (Schwabedal et al. 2018, arXiv 1806.08675)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval

__all__ = ["SpectralPhaseSurrogate"]


class SpectralPhaseSurrogate(RandomTransform):
    """Turn the phase of every frequency by a random angle; power and mean stay.

    Angles lie to either side of 0, so that at low strength waves stay where they are. At full strength none does: positions and
    step targets are handed on and mean nothing any more.

    Args:
        strength: Range of the share of half a turn by which phases are turned at most; 1 makes them uniform.
        shared: The same angles in all leads, which keeps the relations between them; otherwise each lead has its own.
        p: Probability that a window is changed.
    """

    magnitude = {"strength": 0.0}

    def __init__(self, *, strength: tuple[float, float] = (0.5, 1.0), shared: bool = True, p: float = 0.5) -> None:
        self.strength = interval("strength", strength, most=1.0)
        self.shared = shared
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """How the contract kit builds it: at a strength where waves stay, because it looks for one beside its annotation."""
        return {"arguments": {"strength": (0.1, 0.5)}, "refused": [{"strength": (0.0, 2.0)}, {"p": 1.5}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        strength = generator.uniform(*self.strength)
        turn = generator.uniform(-math.pi, math.pi, size=(1 if self.shared else shape[1], shape[2] // 2 + 1))
        return {"angle": strength[:, None, None] * turn}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return self.rework(x, fs=fs, **self.ready(drawn, like=x, fs=fs))

    def ready(self, drawn: dict[str, Any], *, like: Any, fs: float) -> dict[str, Any]:
        xp, n = namespace(like), int(like.shape[-1])
        # The mean and, of an even length, the Nyquist frequency are real and have no phase to turn.
        real = np.zeros(n // 2 + 1, dtype=bool)
        real[0] = True
        real[-1] |= n % 2 == 0
        angle = xp.where(asarray_like(real, like, dtype=xp.bool), xp.zeros_like(drawn["angle"]), drawn["angle"])
        angle = xp.astype(angle, like.dtype)
        return {"turn": xp.cos(angle) + 1j * xp.sin(angle)}

    def rework(self, x: Any, *, fs: float, **ready: Any) -> Any:
        xp = namespace(x)
        spectrum = xp.fft.rfft(x, axis=-1)
        spectrum *= ready["turn"]  # in place: it is nobody else's
        return xp.astype(xp.fft.irfft(spectrum, n=int(x.shape[-1]), axis=-1), x.dtype, copy=False)
