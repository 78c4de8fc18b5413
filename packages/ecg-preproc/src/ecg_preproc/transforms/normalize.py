"""Normalize: bring every window, or every lead of it, to a common scale."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from ecg_core.config.configurable import Variant
from ecg_core.contracts.arrays import as_float, asarray_like, is_numpy_array, namespace
from ecg_core.contracts.transform import Transform

__all__ = ["Normalize", "min_max_normalize", "naive_normalize", "z_score_normalize"]

_STRETCH = 8192  # samples of one dot product


class Normalize(Transform):
    """Shift and scale.

    Args:
        method: ``"z-score"``: to this mean and standard deviation. ``"min-max"``: to [0, 1]. ``"naive"``: subtract
            ``mean`` and divide by ``std``, whatever the signal is.
        mean: Target mean (z-score), or what is subtracted (naive), mV.
        std: Target standard deviation (z-score), or the divisor (naive), mV.
        per_lead: Each lead by itself. The default takes leads and time together, which keeps the leads' proportions.

    A constant signal has no scale: it becomes ``mean`` (z-score) or 0 (min-max), never NaN.

    Shape:
        ``(..., leads, samples)``, unchanged.
    """

    def __init__(
        self,
        *,
        method: Literal["z-score", "min-max", "naive"] = "z-score",
        mean: float = 0.0,
        std: float = 1.0,
        per_lead: bool = False,
    ) -> None:
        if method not in ("z-score", "min-max", "naive"):
            raise ValueError(f"method must be z-score, min-max or naive, got {method!r}")
        if not std > 0:
            raise ValueError(f"std must be positive, got {std!r}")
        self.method = method
        self.mean = mean
        self.std = std
        self.per_lead = per_lead

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on: what has the target's mean and spread keeps it."""
        return {"idempotent": True, "refused": [{"method": "median"}, {"std": 0.0}]}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        xp = namespace(x)
        if self.method == "naive":
            return (x - self.mean) / self.std
        axes: Any = -1 if self.per_lead else (-2, -1)
        low, high = (extreme(x, axis=axes, keepdims=True) for extreme in (xp.min, xp.max))
        # NaN is not flat: it stays NaN, and is seen.
        flat = low == high
        height = high - low + flat
        if self.method == "min-max":
            return (x - low) / height
        mean = xp.where(flat, low, self._mean(x))
        # Divided by its height first: the squares of very large and very small signals stay inside the number type.
        centred = x - mean
        centred /= height
        power = self._mean(centred, centred)
        out = centred * (self.std / xp.sqrt(power + flat))
        return out + self.mean if self.mean else out

    def _mean(self, x: Any, y: Any = None) -> Any:
        """Mean of ``x``, or of ``x * y``: of each lead, or of all leads as often."""
        of_lead = _mean_over_time(x, y)
        # A sum, because np.mean takes twice as long on a few numbers.
        return of_lead if self.per_lead else namespace(x).sum(of_lead, axis=-2, keepdims=True) / of_lead.shape[-2]

    def reach(self, fs: float) -> float | None:
        return 0.0 if self.method == "naive" else None

    def fitted(self, blocks: Iterable[Any]) -> Transform | None:
        if self.method == "naive":
            return self
        count, mean, spread = 0, np.zeros(()), np.zeros(())
        low, high = np.full((), np.inf), np.full((), -np.inf)
        axes: Any = -1 if self.per_lead else (-2, -1)
        for given in blocks:
            block = np.asarray(as_float(given), dtype=np.float64)
            n = block.shape[-1] if self.per_lead else block.size
            own = block.mean(axis=axes, keepdims=True)
            # Means and sums of squares of two parts, put together (Chan, Golub and LeVeque 1983): no digits are lost.
            spread = spread + ((block - own) ** 2).sum(axis=axes, keepdims=True) + (own - mean) ** 2 * count * n / (count + n)
            mean, count = mean + (own - mean) * n / (count + n), count + n
            low = np.minimum(low, block.min(axis=axes, keepdims=True))
            high = np.maximum(high, block.max(axis=axes, keepdims=True))
        flat = low == high
        if self.method == "min-max":
            return _Affine(centre=low, scale=1 / np.where(flat, 1.0, high - low), offset=0.0)
        deviation = np.where(flat, 1.0, np.sqrt(np.where(flat, 1.0, spread / max(count, 1))))
        return _Affine(centre=np.where(flat, low, mean), scale=self.std / deviation, offset=self.mean)


def _mean_over_time(x: Any, y: Any = None) -> Any:
    """``(..., leads, 1)`` means of ``x``, or of ``x * y``."""
    if not is_numpy_array(x):
        return namespace(x).mean(x if y is None else x * y, axis=-1, keepdims=True)
    # Dot products take a third of the time of np.mean; in stretches that BLAS does not share out among threads, whose number
    # would show in the last digit.
    n, y = x.shape[-1], np.ones(x.shape[-1], dtype=x.dtype) if y is None else y
    total = sum(np.vecdot(x[..., i : i + _STRETCH], y[..., i : i + _STRETCH]) for i in range(0, n, _STRETCH))
    return total[..., None] / n


class _Affine(Transform):
    """``(x - centre) * scale + offset`` with what was learned from a whole recording, by lead or for all."""

    def __init__(self, *, centre: np.ndarray, scale: np.ndarray, offset: float) -> None:
        self.centre = centre
        self.scale = scale
        self.offset = offset

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return (x - asarray_like(self.centre, x)) * asarray_like(self.scale, x) + self.offset

    def reach(self, fs: float) -> float:
        return 0.0


z_score_normalize = Variant(Normalize, {"method": "z-score"})
min_max_normalize = Variant(Normalize, {"method": "min-max"})
naive_normalize = Variant(Normalize, {"method": "naive"})
