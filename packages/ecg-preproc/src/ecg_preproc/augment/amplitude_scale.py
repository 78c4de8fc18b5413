"""AmplitudeScale: the same heart behind more or less of a chest wall."""

from __future__ import annotations

from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval

__all__ = ["AmplitudeScale"]


class AmplitudeScale(RandomTransform):
    """Multiply by a random factor.

    Args:
        scale: Range of the factor.
        per_lead: Each lead has a factor of its own; otherwise all leads share one, which keeps their proportions.
        p: Probability that a window is changed.
    """

    neutral = {"scale": 1.0}
    magnitude = {"scale": 1.0}
    in_place = True

    def __init__(self, *, scale: tuple[float, float] = (0.8, 1.25), per_lead: bool = False, p: float = 0.5) -> None:
        self.scale = interval("scale", scale)
        self.per_lead = per_lead
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"scale": (2.0, 1.0)}, {"p": 2.0}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        return {"scale": generator.uniform(*self.scale, size=(shape[1] if self.per_lead else 1,))}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return x * namespace(x).astype(drawn["scale"], x.dtype)[:, :, None]

    def ready(self, drawn: dict[str, Any], *, like: Any, fs: float) -> dict[str, Any]:
        return {"gain": namespace(like).astype(drawn["scale"], like.dtype)[:, :, None]}

    def rework(self, x: Any, *, fs: float, **ready: Any) -> Any:
        x *= ready["gain"]
        return x
