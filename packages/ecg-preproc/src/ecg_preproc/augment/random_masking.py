"""RandomMasking: silence stretches of time in all leads (TimeOut of Mehari and Strodthoff 2022), anywhere or around waves.

In each lead by itself, and around the ends of the window, as the masks of 3KG (Gopal et al. 2021, arXiv:2106.04452).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval
from ecg_preproc.augment.silence import bit_mask, silence, silenced
from ecg_preproc.augment.stretches import hidden

__all__ = ["RandomMasking"]


class RandomMasking(RandomTransform):
    """Set stretches of every lead to one value.

    Args:
        ratio: Range of a stretch's share of the window.
        seconds: Range of its length, s, instead of ``ratio``.
        stretches: How many; they may overlap.
        value: What a masked sample becomes, mV.
        around: Name of annotated positions, such as ``"r_peaks"``: each stretch covers one of them, chosen at random, and a
            window without any stays as it is. Needs a Record or a Batch that has them.
        per_lead: Whether each lead has stretches of its own.
        circular: Whether a stretch may leave the window at its end and come in again at its beginning, so that every sample is
            hidden as often.
        p: Probability that a window is changed.
    """

    neutral = {"width": 0.0}
    magnitude = {"ratio": 0.0}
    in_place = True

    def __init__(
        self,
        *,
        ratio: tuple[float, float] = (0.0, 0.5),
        seconds: tuple[float, float] | None = None,
        stretches: int = 1,
        value: float = 0.0,
        around: str | None = None,
        per_lead: bool = False,
        circular: bool = False,
        p: float = 0.5,
    ) -> None:
        if stretches < 1:
            raise ValueError(f"stretches must be at least 1, got {stretches!r}")
        if around is not None and (per_lead or circular):
            raise ValueError(f"stretches around {around!r} are where these are, in all leads; leave out per_lead and circular")
        self.ratio = interval("ratio", ratio, most=1.0)
        self.seconds = None if seconds is None else interval("seconds", seconds)
        self.needs_fs = seconds is not None
        self.stretches = stretches
        self.value = value
        self.around = around
        self.per_lead, self.circular = per_lead, circular
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        around = {"around": "r_peaks", "circular": True}
        return {"refused": [{"ratio": (0.0, 1.5)}, {"seconds": (2.0, 1.0)}, {"stretches": 0}, {"p": 2.0}, around]}

    def context(self, *, leads: tuple[str, ...] | None, annotations: Mapping[str, Any]) -> dict[str, Any]:
        if self.around is None:
            return {}
        if self.around not in annotations:
            there = ", ".join(annotations) or "none"
            raise ValueError(
                f"RandomMasking(around={self.around!r}) needs a Record or a Batch annotated with {self.around!r}; "
                f"its annotations: {there}"
            )
        return {"critical": annotations[self.around]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        size = (shape[1], self.stretches) if self.per_lead else (self.stretches,)
        return {
            "width": generator.uniform(*(self.seconds or self.ratio), size=size),
            "place": generator.uniform(size=size),
            "which": generator.uniform(size=size),
        }

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return silenced(x, self._hidden(x, fs, drawn), self.value)

    def ready(self, drawn: dict[str, Any], *, like: Any, fs: float) -> dict[str, Any]:
        return {"keep": bit_mask(self._hidden(like, fs, drawn), like)}

    def rework(self, x: Any, *, fs: float, **ready: Any) -> Any:
        return silence(x, ready["keep"], self.value)

    def _hidden(self, x: Any, fs: float, drawn: Mapping[str, Any]) -> Any:
        """``(windows, 1, samples)`` booleans, or ``(windows, leads, samples)``."""
        xp, n = namespace(x), int(x.shape[-1])
        # Rounded up, so that whatever is masked is at least one sample.
        width = xp.clip(xp.ceil(drawn["width"] * (n if self.seconds is None else fs)), 0, n)
        if "critical" in drawn:
            start, width = _covering(drawn["critical"], drawn["which"], drawn["place"], width)
        else:
            start = xp.floor(drawn["place"] * (n if self.circular else n - width + 1))
        found = hidden(start, width, n, circular=self.circular)
        return found if self.per_lead else found[:, None, :]


def _covering(positions: Any, which: Any, place: Any, width: Any) -> tuple[Any, Any]:
    """Start and width, in samples, of stretches that cover one position each; no width where there is no position."""
    xp = namespace(which)
    if positions.shape[1] == 0:
        return xp.zeros_like(width), xp.zeros_like(width)
    there = xp.flip(xp.sort(positions, axis=1), axis=1)  # the absent ones, -1, at the end
    count = xp.sum(xp.astype(there >= 0, xp.int64), axis=1, keepdims=True)
    chosen = xp.astype(xp.floor(which * xp.astype(count, which.dtype)), xp.int64)
    centre = xp.astype(xp.take_along_axis(there, xp.clip(chosen, 0, positions.shape[1] - 1), axis=1), width.dtype)
    return centre - xp.floor(place * width), xp.where(centre >= 0, width, xp.zeros_like(width))
