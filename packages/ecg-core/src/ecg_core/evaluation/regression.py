"""Regression: how far predicted numbers lie from true ones, with patient-wise intervals.

Intervals are those of :mod:`ecg_core.evaluation.bootstrap`: patients are drawn with replacement, each with all his recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ecg_core.errors import DataError
from ecg_core.evaluation.bootstrap import clusters, interval, multiplicities
from ecg_core.evaluation.estimate import Estimate
from ecg_core.evaluation.text import aligned

__all__ = ["NumberResult", "evaluate_numbers", "mean_absolute_error", "r_squared"]


@dataclass(frozen=True)
class NumberResult:
    """How well a quantity is predicted.

    Args:
        name: Of the quantity.
        n_records: Recordings with a label.
        n_patients: Patients they are of.
        mae: Mean absolute error, in the unit of the labels.
        r2: Share of the labels' variance that the predictions explain; below 0 they are worse than the labels' mean.
        bias: Mean of prediction minus label, in the unit of the labels (Bland and Altman 1986).
        deviation: Standard deviation of prediction minus label; ``bias ± 1.96 deviation`` are the limits of agreement.
    """

    name: str
    n_records: int
    n_patients: int
    mae: Estimate
    r2: Estimate
    bias: Estimate
    deviation: Estimate

    def __str__(self) -> str:
        rows = [("mean absolute error", self.mae), ("R²", self.r2), ("bias", self.bias), ("SD of errors", self.deviation)]
        lines = aligned([(self.name, "value (95% interval)"), *((name, str(value)) for name, value in rows)])
        return "\n".join([*lines, f"{self.n_records} recordings, {self.n_patients} patients"])

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; what is undefined is ``None``."""
        plain = asdict(self)
        for word, value in plain.items():
            if isinstance(value, dict):
                plain[word] = {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in value.items()}
        return plain


def mean_absolute_error(targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
    """Mean distance of ``(records,)`` numbers; NaN of none.

    >>> mean_absolute_error([1.0, 2.0], [2.0, 4.0])
    1.5
    """
    truth, guess = _checked(targets, predictions)
    return float(np.abs(guess - truth).mean()) if len(truth) else float("nan")


def r_squared(targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
    """``1 - squared errors / squared distances of the labels from their mean``; NaN where the labels are equal.

    >>> r_squared([1.0, 2.0, 3.0], [1.0, 2.0, 2.0])
    0.5
    """
    truth, guess = _checked(targets, predictions)
    around = ((truth - truth.mean()) ** 2).sum() if len(truth) else 0.0
    return float(1 - ((guess - truth) ** 2).sum() / around) if around > 0 else float("nan")


def evaluate_numbers(
    targets: npt.ArrayLike,
    predictions: npt.ArrayLike,
    *,
    name: str,
    patients: Sequence[object] | None = None,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> NumberResult:
    """Errors of predicted numbers with intervals.

    Args:
        targets: ``(records,)``; NaN where a recording has no label, which then takes no part.
        predictions: ``(records,)``, finite.
        name: Of the quantity.
        patients: Whose record it is; without it every record counts as a patient of its own.
        repeats: Draws of the bootstrap.
        level: Of the intervals.
        seed: Of the draws.

    Raises:
        DataError: Arguments that do not fit, or no label at all.
    """
    truth, guess = _checked(targets, predictions, missing=True)
    known = ~np.isnan(truth)
    if not known.any():
        raise DataError(f"no recording has a label for {name!r}; there is nothing to compare with")
    codes = np.unique(clusters(patients, len(truth))[known], return_inverse=True)[1].astype(np.intp)
    truth, guess = truth[known], guess[known]
    value = _measures(truth, guess, np.ones((len(truth), 1)))[:, 0]
    blocks = [_measures(truth, guess, weights) for weights in multiplicities(codes, repeats=repeats, seed=seed)]
    drawn = np.concatenate(blocks, axis=1)
    made = [Estimate(float(v), *interval(row, level)) for v, row in zip(value, drawn, strict=True)]
    mae, r2, bias, deviation = made
    return NumberResult(name, len(truth), int(codes.max()) + 1, mae, r2, bias, deviation)


def _measures(truth: np.ndarray, guess: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """MAE, R², bias and deviation, ``(4, repeats)``, under weights ``(records, repeats)``."""
    total = weights.sum(axis=0)
    error = guess - truth
    mean = truth @ weights / total
    # Around a fixed point first: the plain difference of squares loses digits where the mean is far from zero.
    centred = truth - truth.mean()
    around = (centred**2) @ weights - total * (mean - truth.mean()) ** 2
    bias = error @ weights / total
    spread = np.sqrt(np.maximum(((error - error.mean()) ** 2) @ weights / total - (bias - error.mean()) ** 2, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(around > 1e-12 * max(1.0, float((centred**2).sum())), 1 - (error**2) @ weights / around, np.nan)
    return np.stack([np.abs(error) @ weights / total, r2, bias, spread])


def _checked(targets: npt.ArrayLike, predictions: npt.ArrayLike, *, missing: bool = False) -> tuple[np.ndarray, np.ndarray]:
    truth, guess = np.asarray(targets, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != guess.shape:
        raise DataError(f"targets and predictions are one number for each record, got shapes {truth.shape} and {guess.shape}")
    if not np.isfinite(guess).all() or not (np.isfinite(truth) | (missing & np.isnan(truth))).all():
        raise DataError("targets and predictions must be finite numbers; a missing label is NaN only where that is allowed")
    return truth, guess
