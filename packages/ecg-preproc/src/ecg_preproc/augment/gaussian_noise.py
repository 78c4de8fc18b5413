"""GaussianNoise: white noise, as an amplifier adds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval
from ecg_preproc.augment.noise_bank import STARTS, from_bank

__all__ = ["GaussianNoise"]


class GaussianNoise(RandomTransform):
    """Add normal noise to every sample.

    Args:
        std: Range of the noise's standard deviation, mV, one per window.
        fast: Take the noise of each lead from a fixed bank, at a random place and with a random sign, instead of drawing a
            number per sample. For a batch of (64, 12, 5000) on one thread that is 3 copies of the batch instead of 8
            (``torch.randn`` alone: 10), and :mod:`ecg_preproc.augment.noise_bank` says what it costs.
        p: Probability that a window is changed.
    """

    neutral = {"std": 0.0}
    magnitude = {"std": 0.0}
    in_place = True

    def __init__(self, *, std: tuple[float, float] = (0.0, 0.05), fast: bool = False, p: float = 0.5) -> None:
        self.std = interval("std", std)
        self.fast = fast
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"std": (-0.1, 0.1)}, {"p": -1.0}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        std = generator.uniform(*self.std)
        if not self.fast:
            return {"std": std, "keys": generator.keys}  # a number per sample is made where it is added
        sign = 1 - 2 * generator.integers(2, size=shape[1:2])
        return {"std": std, "start": generator.integers(STARTS, size=shape[1:2]), "sign": namespace(std).astype(sign, std.dtype)}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        xp = namespace(x)
        level = drawn["std"][:, None]
        if self.fast:
            return x + xp.astype(level * drawn["sign"], x.dtype)[:, :, None] * from_bank(drawn["start"], x)
        return x + self._exact(x, drawn)

    def ready(self, drawn: dict[str, Any], *, like: Any, fs: float) -> dict[str, Any]:
        if not self.fast:
            return drawn
        level = drawn["std"][:, None] * drawn["sign"]
        return {"level": namespace(like).astype(level, like.dtype)[:, :, None], "start": drawn["start"]}

    def rework(self, x: Any, *, fs: float, **ready: Any) -> Any:
        if not self.fast:
            x += self._exact(x, ready)
            return x
        noise = from_bank(ready["start"], x)
        noise *= ready["level"]
        x += noise
        return x

    def _exact(self, x: Any, drawn: Mapping[str, Any]) -> Any:
        """A number per sample, of the number type of ``x``."""
        noise = Draws(drawn["keys"]).after(1).normal(x.shape[1:])
        noise *= drawn["std"][:, None, None]
        return namespace(x).astype(noise, x.dtype, copy=False)
