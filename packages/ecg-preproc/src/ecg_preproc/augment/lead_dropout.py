"""LeadDropout: electrodes fall off (Oh et al. 2022 mask leads so that a model works with any subset)."""

from __future__ import annotations

from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_preproc.augment.silence import bit_mask, silence, silenced

__all__ = ["LeadDropout"]


class LeadDropout(RandomTransform):
    """Set whole leads to zero, each independently; at least one lead falls, where there are two, and one always stays.

    Args:
        rate: Probability that a lead of a changed window is dropped.
        p: Probability that a window is changed.
    """

    neutral = {"kept": True}
    magnitude = {"rate": 0.0}
    in_place = True

    def __init__(self, *, rate: float = 0.2, p: float = 0.5) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be a probability between 0 and 1, got {rate!r}")
        self.rate = rate
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"rate": 1.5}, {"p": 2.0}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        chance = generator.uniform(size=(shape[1],))
        xp = namespace(chance)
        # The lead with the largest number stays whatever the rate, and that with the smallest falls at any rate but 0.
        last, first = chance == xp.max(chance, axis=1, keepdims=True), chance == xp.min(chance, axis=1, keepdims=True)
        return {"kept": ((chance >= self.rate) & ~(first & (self.rate > 0))) | last}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return silenced(x, ~drawn["kept"][:, :, None], 0.0)

    def ready(self, drawn: dict[str, Any], *, like: Any, fs: float) -> dict[str, Any]:
        return {"keep": bit_mask(~drawn["kept"][:, :, None], like)}

    def rework(self, x: Any, *, fs: float, **ready: Any) -> Any:
        return silence(x, ready["keep"], 0.0)
