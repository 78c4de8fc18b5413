"""Calibration: do scores come true as often as they promise? Expected calibration error, Brier score, temperature.

ECE is the mean distance between score and fraction of positives over bins, weighted by their records (Naeini, Cooper &
Hauskrecht, AAAI 2015). Bins of equal width are the usual ones and are nearly empty at high scores of rare classes; bins of
equal mass hold equally many records each (Nixon et al., "Measuring calibration in deep learning", 2019). The Brier score is the
mean squared error of the probabilities. Their intervals are of the same draws of patients as all others; those of an ECE are
moved back by what the draws add to it on average. An ECE counts noise as error, and a draw, which has the noise of its records
and its own, is off by more than they are: left alone, its interval may lie above the number. Temperature scaling divides all
logits by one number (Guo et al., ICML 2017): it moves no ranking within a class, so no AUROC of a multi-label model, and is
fitted on validation records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ecg_core.errors import DataError
from ecg_core.evaluation.bootstrap import clusters
from ecg_core.evaluation.calibration_bootstrap import calibration_draws
from ecg_core.evaluation.estimate import Estimate
from ecg_core.evaluation.metrics import check_scores
from ecg_core.evaluation.ranking import Floats

__all__ = [
    "Calibration",
    "ClassCalibration",
    "apply_temperature",
    "brier_score",
    "calibrate_scores",
    "expected_calibration_error",
    "fit_temperature",
    "stored_with_intervals",
]

Bins = Literal["width", "mass"]
_NUMBERS = ("ece_width", "ece_mass", "brier")
_BINS = 10
_LEAST = 1e-12  # a probability of 0 has no logit
_RANGE = (-5.0, 5.0)  # of the natural logarithm of a temperature
_STEPS = 80  # of golden sections: the range shrinks to 1e-16 of itself


@dataclass(frozen=True)
class ClassCalibration:
    """One class: both calibration errors and the Brier score."""

    name: str
    ece_width: Estimate
    ece_mass: Estimate
    brier: Estimate


@dataclass(frozen=True)
class Calibration:
    """How far probabilities can be taken at their word.

    Args:
        per_class: In the order of the scores.
        ece_width: Mean over classes, bins of equal width.
        ece_mass: Mean over classes, bins of equal mass.
        brier: Mean over classes.
        temperature: That the scores were divided by; ``None`` when they are the model's own.
    """

    per_class: tuple[ClassCalibration, ...]
    ece_width: Estimate
    ece_mass: Estimate
    brier: Estimate
    temperature: float | None = None


def expected_calibration_error(targets: npt.ArrayLike, scores: npt.ArrayLike, *, bins: int = _BINS, by: Bins = "width") -> Floats:
    """Mean distance between promise and outcome of each class, ``(classes,)``, from 0 to 1.

    Args:
        targets: ``(records, classes)`` of 0 and 1.
        scores: ``(records, classes)`` probabilities.
        bins: How many.
        by: ``"width"``: equal parts of [0, 1]. ``"mass"``: equally many records, in order of their scores.

    Raises:
        DataError: Scores are no probabilities, or there is less than one bin.

    Example:
        >>> expected_calibration_error([[1], [0], [0], [0]], [[0.75]] * 4)
        array([0.5])
    """
    truth, guess = _probabilities(targets, scores)
    if bins < 1:
        raise DataError(f"bins must be at least 1, got {bins}")
    if by == "width":
        place = np.clip((guess * bins).astype(np.intp), 0, bins - 1)
    else:
        ranks = guess.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
        place = ranks * bins // len(guess)
    gaps = [np.bincount(place[:, c], weights=guess[:, c] - truth[:, c], minlength=bins) for c in range(truth.shape[1])]
    return np.abs(np.array(gaps)).sum(axis=1) / len(truth)


def brier_score(targets: npt.ArrayLike, scores: npt.ArrayLike) -> Floats:
    """Mean squared error of the probabilities of each class, ``(classes,)``. Arguments and errors are those above."""
    truth, guess = _probabilities(targets, scores)
    return np.asarray(((guess - truth) ** 2).mean(axis=0))


def calibrate_scores(
    targets: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    classes: Sequence[str],
    temperature: float | None = None,
    patients: Sequence[object] | npt.NDArray[np.generic] | None = None,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Calibration:
    """All of it, with intervals.

    Args:
        targets: ``(records, classes)`` of 0 and 1.
        scores: ``(records, classes)`` probabilities.
        classes: One name per column.
        temperature: Only noted.
        patients: As in :func:`ecg_core.evaluation.bootstrap.bootstrap`, and so are the next ones.
        repeats: Bootstrap repeats.
        level: Of the intervals.
        seed: Of the bootstrap.

    Raises:
        DataError: Scores are no probabilities, or arguments do not fit.
    """
    truth, guess = _probabilities(targets, scores)
    drawn = calibration_draws(truth, guess, clusters(patients, len(truth)), bins=_BINS, repeats=repeats, seed=seed)
    plain = (*(expected_calibration_error(truth, guess, by=by) for by in ("width", "mass")), brier_score(truth, guess))
    moved = [_centred(values, repeated) for values, repeated in zip(plain[:2], drawn[:2], strict=True)] + [drawn.brier]
    rows = [
        [Estimate.of(value, column, level) for value, column in zip(values, repeated.T, strict=True)]
        for values, repeated in zip(plain, moved, strict=True)
    ]
    means = [
        Estimate.of(float(values.mean()), repeated.mean(axis=1), level) for values, repeated in zip(plain, moved, strict=True)
    ]
    per_class = tuple(ClassCalibration(name, *row) for name, *row in zip(classes, *rows, strict=True))
    width, mass, brier = means
    return Calibration(per_class, width, mass, brier, temperature)


def stored_with_intervals(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored calibration in today's words; in files of earlier versions its numbers stand without intervals."""

    def row(entry: Mapping[str, Any]) -> dict[str, Any]:
        bare = {word: entry[word] for word in _NUMBERS if isinstance(entry[word], (int, float))}
        return {**entry, **{word: {"value": v, "low": None, "high": None, "usable": 0} for word, v in bare.items()}}

    return {**row(stored), "per_class": [row(entry) for entry in stored["per_class"]]}


def _centred(values: Floats, drawn: Floats) -> Floats:
    """Draws ``(repeats, classes)`` about the values ``(classes,)``, none below 0."""
    return np.maximum(drawn - (drawn.mean(axis=0) - values), 0.0)


def fit_temperature(
    targets: npt.ArrayLike, scores: npt.ArrayLike, *, problem: Literal["multi_label", "multi_class"] = "multi_label"
) -> float:
    """The temperature of least cross-entropy: above 1 the scores were too sure, below 1 too timid.

    Args:
        targets: ``(records, classes)`` of 0 and 1.
        scores: ``(records, classes)`` probabilities.
        problem: How probabilities were made of logits: by sigmoid, or by softmax.

    Raises:
        DataError: Scores are no probabilities.
    """
    truth, guess = _probabilities(targets, scores)

    def cost(exponent: float) -> float:
        p = np.clip(apply_temperature(guess, float(np.exp(exponent)), problem=problem), _LEAST, 1 - _LEAST)
        entropy = np.where(truth, -np.log(p), 0.0 if problem == "multi_class" else -np.log1p(-p))
        return float(entropy.sum())

    return float(np.exp(_golden(cost, *_RANGE)))


def apply_temperature(
    scores: npt.ArrayLike, temperature: float, *, problem: Literal["multi_label", "multi_class"] = "multi_label"
) -> Floats:
    """Probabilities whose logits are divided by ``temperature``; ``(records, classes)`` in and out.

    Raises:
        DataError: The temperature is not positive.

    Example:
        >>> apply_temperature([[0.9, 0.5]], 2.0).round(3)
        array([[0.75, 0.5 ]])
    """
    if not temperature > 0 or not np.isfinite(temperature):
        raise DataError(f"a temperature is a positive number, got {temperature!r}")
    p = np.clip(np.asarray(scores, dtype=np.float64), _LEAST, 1 - _LEAST)
    if problem == "multi_class":
        logits = np.log(p) / temperature
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    logits = (np.log(p) - np.log1p(-p)) / temperature
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))


def _probabilities(targets: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[npt.NDArray[np.bool_], Floats]:
    truth, guess = check_scores(targets, scores)
    if guess.min() < 0 or guess.max() > 1:
        raise DataError(f"calibration needs probabilities in [0, 1], got scores from {guess.min():g} to {guess.max():g}")
    return truth, guess


def _golden(cost: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is least (Kiefer 1953)."""
    ratio = (5**0.5 - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = cost(a), cost(b)
    for _ in range(_STEPS):
        if at_a <= at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = cost(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = cost(b)
    return 0.5 * (low + high)
