"""Bandstop: a random band of frequencies is missing (Cheng et al. 2020, arXiv 2007.04871)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_core.contracts.spectral import extended, fast_length, with_gain
from ecg_preproc.augment.interval import interval

__all__ = ["Bandstop"]

_SECONDS = 2.0  # of extension beyond the ends


class Bandstop(RandomTransform):
    """Remove a band of random width from a random place of the spectrum, in all leads; zero phase.

    The gain is 0 inside the band and rises to 1 over a quarter of its width on either side, so that the filter does not ring
    through the window.

    Args:
        frequency: Range of the band's centre, Hz.
        width: Range of its width, Hz.
        p: Probability that a window is changed.
    """

    needs_fs = True
    magnitude = {"width": 0.0}

    def __init__(
        self, *, frequency: tuple[float, float] = (1.0, 40.0), width: tuple[float, float] = (1.0, 8.0), p: float = 0.5
    ) -> None:
        self.frequency = interval("frequency", frequency)
        self.width = interval("width", width)
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"frequency": (40.0, 1.0)}, {"width": (-1.0, 1.0)}, {"p": 1.5}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        return {"centre": generator.uniform(*self.frequency), "width": generator.uniform(*self.width)}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return self.rework(x, fs=fs, **self.ready(drawn, like=x, fs=fs))

    def ready(self, drawn: dict[str, Any], *, like: Any, fs: float) -> dict[str, Any]:
        xp = namespace(like)
        frequencies = asarray_like(np.fft.rfftfreq(_circle(like, fs), 1 / fs)[None], drawn["centre"])
        width = drawn["width"][:, None]
        beyond = (xp.abs(frequencies - drawn["centre"][:, None]) - width / 2) / xp.clip(width / 4, 1e-6, None)
        rise = xp.clip(beyond, 0.0, 1.0)
        gain = xp.astype(rise * rise * (3 - 2 * rise), like.dtype)
        return {"gain": xp.reshape(xp.stack([gain, gain], axis=-1), (gain.shape[0], 1, 2 * gain.shape[1]))}

    def rework(self, x: Any, *, fs: float, **ready: Any) -> Any:
        length = _circle(x, fs)
        return with_gain(extended(x, length, fs=fs), ready["gain"], length=length)[..., : x.shape[-1]]


def _circle(x: Any, fs: float) -> int:
    """Samples of the circle to which a signal is extended."""
    return fast_length(int(x.shape[-1]) + max(1, round(_SECONDS * fs)))
