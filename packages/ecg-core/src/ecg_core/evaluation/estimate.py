"""Estimate: a value with its bootstrap interval."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from ecg_core.evaluation.bootstrap import interval
from ecg_core.evaluation.ranking import Floats

__all__ = ["Estimate", "macro_estimate", "mean_of_defined"]


@dataclass(frozen=True)
class Estimate:
    """A value with its interval.

    Args:
        value: On all records; NaN where undefined.
        low: Lower end of the interval.
        high: Upper end.
        usable: Bootstrap repeats in which the value existed (a rare class may not be drawn); 0 where there is no interval.
    """

    value: float
    low: float
    high: float
    usable: int

    @classmethod
    def of(cls, value: float, drawn: Floats, level: float) -> Self:
        """A value and the interval of its ``(repeats,)`` values under the bootstrap."""
        return cls(float(value), *interval(drawn, level))

    def __str__(self) -> str:
        if not math.isfinite(self.value):
            return "undefined"
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})" if self.usable else f"{self.value:.3f}"


def macro_estimate(estimates: Sequence[Estimate], drawn: Floats, level: float) -> Estimate:
    """Mean over the classes for which it is defined; in a repeat, over those defined in the repeat.

    Args:
        estimates: One per class.
        drawn: ``(repeats, classes)``, NaN where undefined.
        level: Of the interval.
    """
    return Estimate.of(float(mean_of_defined([estimate.value for estimate in estimates])), mean_of_defined(drawn), level)


def mean_of_defined(values: npt.ArrayLike) -> Floats:
    """Mean over the last axis, leaving out NaN; NaN where all of it is."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Mean of empty slice", category=RuntimeWarning)
        return np.asarray(np.nanmean(np.asarray(values, dtype=np.float64), axis=-1))
