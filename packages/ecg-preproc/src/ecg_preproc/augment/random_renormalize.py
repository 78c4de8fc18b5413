"""RandomRenormalize: another mean and another spread, as another amplifier gives them."""

from __future__ import annotations

from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval
from ecg_preproc.transforms.normalize import Normalize

__all__ = ["RandomRenormalize"]


class RandomRenormalize(RandomTransform):
    """Bring each window to a random mean and standard deviation; a constant signal becomes the mean.

    Args:
        mean: Range of the mean, mV.
        std: Range of the standard deviation, mV.
        per_lead: Each lead is brought to a mean and spread of its own; otherwise leads and time together.
        p: Probability that a window is changed.
    """

    def __init__(
        self,
        *,
        mean: tuple[float, float] = (-0.05, 0.1),
        std: tuple[float, float] = (0.08, 0.32),
        per_lead: bool = False,
        p: float = 0.5,
    ) -> None:
        self.mean = interval("mean", mean, least=float("-inf"))
        self.std = interval("std", std)
        self.per_lead = per_lead
        self.p = probability(p)
        self._standard = Normalize(per_lead=per_lead)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"std": (-0.1, 0.1)}, {"mean": (1.0, 0.0)}, {"p": 2.0}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        size = (shape[1] if self.per_lead else 1,)
        return {"mean": generator.uniform(*self.mean, size=size), "std": generator.uniform(*self.std, size=size)}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        mean, std = self._wanted(x, drawn)
        return self._standard.apply(x, fs=fs) * std + mean

    def rework(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        mean, std = self._wanted(x, drawn)
        x = self._standard.apply(x, fs=fs)
        x *= std
        x += mean
        return x

    def _wanted(self, x: Any, drawn: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(namespace(x).astype(drawn[name], x.dtype)[:, :, None] for name in ("mean", "std"))
