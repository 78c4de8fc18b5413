"""InterpolateGaps: what becomes of samples that are not there."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.transform import Transform

__all__ = ["InterpolateGaps"]


class InterpolateGaps(Transform):
    """Fill runs of NaN (and infinities) of each lead; longer ones, and leads without any number, stay NaN and are seen.

    Args:
        method: ``"linear"``: the straight line between both neighbours. ``"hold"``: the last sample before the gap.
            ``"zero"``: 0 mV. At an end of the signal there is one neighbour, and it is held.
        max_seconds: The longest run that is filled; ``None`` for any.

    Shape:
        ``(..., leads, samples)``, unchanged.
    """

    needs_fs = True

    def __init__(self, *, method: Literal["linear", "hold", "zero"] = "linear", max_seconds: float | None = 0.2) -> None:
        if method not in ("linear", "hold", "zero"):
            raise ValueError(f"method must be linear, hold or zero, got {method!r}")
        if max_seconds is not None and not max_seconds > 0:
            raise ValueError(f"max_seconds must be a positive length or None, got {max_seconds!r}")
        self.method = method
        self.max_seconds = max_seconds

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"idempotent": True, "refused": [{"method": "cubic"}, {"max_seconds": 0.0}]}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        xp, n = namespace(x), x.shape[-1]
        there = xp.isfinite(x)
        place = asarray_like(np.arange(n), x, dtype=xp.int64)
        # Positions of the samples that are there, in order, followed by those that are not.
        order = xp.argsort(xp.astype(~there, xp.int8), axis=-1, stable=True)
        seen = xp.cumulative_sum(xp.astype(there, xp.int64), axis=-1)
        count = seen[..., -1:]
        before = xp.take_along_axis(order, xp.clip(seen - 1, 0, n - 1), axis=-1)
        after = xp.take_along_axis(order, xp.clip(seen, 0, n - 1), axis=-1)
        first, last = seen == 0, seen == count
        run = xp.where(last, n, after) - xp.where(first, -1, before) - 1
        filled = self._filled(x, xp.where(first, after, before), xp.where(last, before, after), place)
        fits = (count > 0) & (run <= (n if self.max_seconds is None else round(self.max_seconds * fs)))
        return xp.where(there, x, xp.where(fits, filled, xp.nan))

    def _filled(self, x: Any, before: Any, after: Any, place: Any) -> Any:
        xp = namespace(x)
        if self.method == "zero":
            return xp.zeros_like(x)
        start = xp.take_along_axis(x, before, axis=-1)
        if self.method == "hold":
            return start
        share = xp.astype(place - before, x.dtype) / xp.astype(xp.where(after > before, after - before, 1), x.dtype)
        return start * (1 - share) + xp.take_along_axis(x, after, axis=-1) * share

    def reach(self, fs: float) -> float | None:
        # A gap that goes on past this is too long whatever comes after.
        return None if self.max_seconds is None else (round(self.max_seconds * fs) + 2) / fs
