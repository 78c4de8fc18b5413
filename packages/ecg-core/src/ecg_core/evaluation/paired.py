"""Paired comparison: two models on the same records, and whether one is better or was lucky with these patients.

Both are scored on the same draws of patients, so what makes a draw hard is hard for both and leaves the difference (Efron &
Tibshirani 1993, chapter 8; for the area under ROC curves the bootstrap agrees with DeLong's test, DeLong, DeLong &
Clarke-Pearson 1988, which knows no patients with several records).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecg_core.errors import DataError
from ecg_core.evaluation.bootstrap import Resamples, bootstrap, interval
from ecg_core.evaluation.estimate import Estimate, mean_of_defined
from ecg_core.evaluation.metrics import auprc, auroc, check_scores
from ecg_core.evaluation.ranking import Floats

__all__ = ["ClassDifference", "Comparison", "Difference", "compare_scores", "difference"]


@dataclass(frozen=True)
class Difference:
    """A difference with its interval and p-value.

    Args:
        value: On all records.
        low: Lower end of the interval.
        high: Upper end.
        p: Two-sided: how often draws of patients would turn the sign, twice, from 1 / repeats on.
        usable: Bootstrap repeats in which both existed.
    """

    value: float
    low: float
    high: float
    p: float
    usable: int

    def __str__(self) -> str:
        if not math.isfinite(self.value):
            return "undefined"
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f}), p {p_words(self.p)}"


@dataclass(frozen=True)
class ClassDifference:
    """One class: this model's area minus the other's."""

    name: str
    auroc: Difference
    auprc: Difference


@dataclass(frozen=True)
class Comparison:
    """Another model on the same records.

    Args:
        name: Of the other model.
        auroc: The other's macro AUROC.
        auprc: The other's macro AUPRC.
        auroc_difference: This model's minus the other's.
        auprc_difference: The same for AUPRC.
        per_class: The same class by class.
        floor: Whether it is one that every trained model has to beat, and not another run.
    """

    name: str
    auroc: Estimate
    auprc: Estimate
    auroc_difference: Difference
    auprc_difference: Difference
    per_class: tuple[ClassDifference, ...] = ()
    floor: bool = False


def difference(value: float, drawn: Floats, level: float = 0.95) -> Difference:
    """A difference from its values under the bootstrap.

    Args:
        value: On all records.
        drawn: ``(repeats,)``, NaN where it does not exist.
        level: Of the interval.
    """
    usable = drawn[~np.isnan(drawn)]
    low, high, count = interval(drawn, level)
    if not count:
        return Difference(value, low, high, float("nan"), 0)
    # One is added to both counts: a p-value of 0 would claim more than so many draws can know (Davison & Hinkley 1997, 4.11).
    tails = [(1 + int((usable <= 0).sum())) / (1 + count), (1 + int((usable >= 0).sum())) / (1 + count)]
    return Difference(value, low, high, min(1.0, 2 * min(tails)), count)


def compare_scores(
    targets: npt.ArrayLike,
    scores: npt.ArrayLike,
    others: npt.ArrayLike,
    *,
    name: str,
    classes: Sequence[str],
    patients: Sequence[object] | npt.NDArray[np.generic] | None = None,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    floor: bool = False,
    drawn: Resamples | None = None,
) -> Comparison:
    """How much better these scores separate the classes than others do.

    Args:
        targets: ``(records, classes)`` of 0 and 1.
        scores: ``(records, classes)`` of this model.
        others: ``(records, classes)`` of the other one, record by record.
        name: Of the other one.
        classes: One name per column.
        patients: ``(records,)`` whose record it is.
        repeats: Bootstrap repeats.
        level: Of the intervals.
        seed: Of the bootstrap.
        floor: Noted in the result.
        drawn: Areas of ``scores`` under the same bootstrap, where they are known already.

    Raises:
        DataError: Arguments that do not fit.

    Example:
        >>> targets = [[0], [1]] * 20
        >>> same = compare_scores(targets, targets, targets, name="twin", classes=["AFIB"], repeats=50)
        >>> same.auroc_difference.value, same.auroc_difference.p
        (0.0, 1.0)
    """
    truth, mine = check_scores(targets, scores)
    theirs = np.asarray(others, dtype=np.float64)
    if theirs.shape != mine.shape:
        raise DataError(f"{name} must be scored on the same records and classes, got shapes {mine.shape} and {theirs.shape}")
    here = bootstrap(truth, mine, patients=patients, repeats=repeats, seed=seed) if drawn is None else drawn
    there = bootstrap(truth, theirs, patients=patients, repeats=repeats, seed=seed)
    values = [(auroc(truth, mine), auroc(truth, theirs)), (auprc(truth, mine), auprc(truth, theirs))]
    pairs = [(here.auroc, there.auroc), (here.auprc, there.auprc)]
    apart = [
        [difference(float(a - b), left[:, c] - right[:, c], level) for c, (a, b) in enumerate(zip(*value, strict=True))]
        for value, (left, right) in zip(values, pairs, strict=True)
    ]
    macros = [
        difference(float(mean_of_defined(a) - mean_of_defined(b)), mean_of_defined(left) - mean_of_defined(right), level)
        for (a, b), (left, right) in zip(values, pairs, strict=True)
    ]
    roc, pr = (
        Estimate.of(float(mean_of_defined(value[1])), mean_of_defined(pair[1]), level)
        for value, pair in zip(values, pairs, strict=True)
    )
    per_class = tuple(ClassDifference(*row) for row in zip(classes, *apart, strict=True))
    return Comparison(name, roc, pr, macros[0], macros[1], per_class, floor)


def p_words(p: float) -> str:
    """A p-value as it is printed."""
    return "undefined" if math.isnan(p) else ("< 0.001" if p < 0.001 else f"{p:.3f}")
