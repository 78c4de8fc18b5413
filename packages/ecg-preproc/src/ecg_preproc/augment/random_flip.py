"""RandomFlip: leads upside down, as swapped electrodes make them."""

from __future__ import annotations

from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability

__all__ = ["RandomFlip"]


class RandomFlip(RandomTransform):
    """Change the sign of leads: each with a probability of its own, at least one; or of all leads together.

    Args:
        rate: Probability that a lead of a changed window is flipped.
        per_lead: Leads are flipped independently; otherwise all of them, whatever ``rate`` is.
        p: Probability that a window is changed.
    """

    neutral = {"sign": 1.0}
    in_place = True

    def __init__(self, *, rate: float = 0.2, per_lead: bool = True, p: float = 0.5) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be a probability between 0 and 1, got {rate!r}")
        self.rate = rate
        self.per_lead = per_lead
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"rate": 1.5}, {"p": 2.0}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        chance = generator.uniform(size=(shape[1] if self.per_lead else 1,))
        xp = namespace(chance)
        # The lead with the smallest number is flipped whatever the rate.
        flipped = (chance < self.rate) | (chance == xp.min(chance, axis=1, keepdims=True))
        return {"sign": 1 - 2 * xp.astype(flipped, xp.float32)}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return x * namespace(x).astype(drawn["sign"], x.dtype)[:, :, None]

    def ready(self, drawn: dict[str, Any], *, like: Any, fs: float) -> dict[str, Any]:
        return {"gain": namespace(like).astype(drawn["sign"], like.dtype)[:, :, None]}

    def rework(self, x: Any, *, fs: float, **ready: Any) -> Any:
        x *= ready["gain"]
        return x
