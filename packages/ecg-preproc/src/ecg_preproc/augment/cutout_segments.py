"""CutoutSegments: several short gaps, each lead its own, as a loose electrode makes them (cut-out: DeVries and Taylor 2017)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_preproc.augment.interval import interval
from ecg_preproc.augment.silence import bit_mask, silence, silenced
from ecg_preproc.augment.stretches import hidden

__all__ = ["CutoutSegments"]


class CutoutSegments(RandomTransform):
    """Set short stretches of the signal to one value.

    Args:
        seconds: Range of a gap's length, s.
        gaps: How many per lead (or per window); they may overlap.
        per_lead: Each lead has gaps of its own; otherwise all leads share them.
        value: What a sample in a gap becomes, mV.
        p: Probability that a window is changed.
    """

    needs_fs = True
    neutral = {"width": 0.0}
    magnitude = {"seconds": 0.0}
    in_place = True

    def __init__(
        self,
        *,
        seconds: tuple[float, float] = (0.05, 0.2),
        gaps: int = 5,
        per_lead: bool = True,
        value: float = 0.0,
        p: float = 0.5,
    ) -> None:
        if gaps < 1:
            raise ValueError(f"gaps must be at least 1, got {gaps!r}")
        self.seconds = interval("seconds", seconds)
        self.gaps = gaps
        self.per_lead = per_lead
        self.value = value
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"seconds": (0.2, 0.1)}, {"gaps": 0}, {"p": 2.0}]}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        size = (shape[1] if self.per_lead else 1, self.gaps)
        return {"width": generator.uniform(*self.seconds, size=size), "place": generator.uniform(size=size)}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        n = int(x.shape[-1])
        return silenced(x, hidden(*self._gaps(n, fs, drawn), n), self.value)

    def rework(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        n = int(x.shape[-1])
        start, width = self._gaps(n, fs, drawn)
        longest = min(n, max(1, math.ceil(self.seconds[1] * fs)))
        if longest * self.gaps > n:  # then comparing every sample with every gap is less
            return silence(x, bit_mask(hidden(start, width, n), x), self.value)
        return silence(x, _kept(start, width, longest, x), self.value)

    def _gaps(self, samples: int, fs: float, drawn: dict[str, Any]) -> tuple[Any, Any]:
        """First sample and width of every gap, in samples."""
        xp = namespace(drawn["width"])
        width = xp.clip(xp.ceil(drawn["width"] * fs), 0, samples)
        return xp.floor(drawn["place"] * (samples - width + 1)), width


def _kept(start: Any, width: Any, longest: int, x: Any) -> Any:
    """The bit mask ``(windows, leads or 1, samples)`` of all gaps, written gap by gap."""
    xp, n = namespace(x), int(x.shape[-1])
    integers = xp.int32 if x.dtype.itemsize == 4 else xp.int64
    step = asarray_like(np.arange(longest), start, dtype=xp.int64)
    start, width = (xp.astype(v, xp.int64)[..., None] for v in (start, width))
    # Steps beyond a gap fall on its last sample again, those of a gap without width behind the window.
    at = xp.where(width > 0, start, xp.full_like(start, n)) + xp.minimum(step, xp.clip(width - 1, 0, None))
    at = xp.reshape(at, (*at.shape[:-2], -1))
    keep = xp.full((*at.shape[:-1], n + 1), -1, dtype=integers)
    if isinstance(keep, np.ndarray):
        np.put_along_axis(keep, at, 0, axis=-1)
    else:
        keep.scatter_(-1, at, 0)
    return keep[..., :n]
