"""AUROC and AUPRC per class, and their mean over the classes for which they exist.

>>> import numpy as np
>>> targets = np.array([[1, 0], [0, 0], [1, 0], [0, 0]])
>>> scores = np.array([[0.9, 0.1], [0.7, 0.2], [0.6, 0.3], [0.2, 0.4]])
>>> auroc(targets, scores)
array([0.75,  nan])
>>> macro(auroc(targets, scores), ["AFIB", "MI"])
Macro(value=0.75, undefined=('MI',))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecg_core.errors import DataError
from ecg_core.evaluation.ranking import Floats, Ranking

__all__ = ["Macro", "auprc", "auroc", "check_scores", "macro", "micro_auprc", "micro_auroc"]


class Macro(NamedTuple):
    """A mean over classes, and the classes that could not enter it."""

    value: float
    undefined: tuple[str, ...]


def auroc(targets: npt.ArrayLike, scores: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Floats:
    """Area under the ROC curve of each class, ties between a positive and a negative counting one half.

    Args:
        targets: ``(records, classes)`` of 0 and 1.
        scores: ``(records, classes)``, higher means more likely; probabilities and logits give the same area.
        weights: ``(records,)``, not negative; all 1 by default.

    Returns:
        ``(classes,)``, NaN for a class without positives or without negatives.

    Raises:
        DataError: Shapes that do not fit, targets that are not 0 or 1, scores or weights that are not finite.
    """
    return _areas(targets, scores, weights)[0]


def auprc(targets: npt.ArrayLike, scores: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Floats:
    """Area under the precision-recall curve of each class as average precision (no interpolation).

    Tied scores share one threshold. Arguments, returns and errors are those of :func:`auroc`.
    """
    return _areas(targets, scores, weights)[1]


def micro_auroc(targets: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """AUROC of all classes taken together: one ranking in which every record stands once per class.

    Arguments and errors are those of :func:`auroc`.
    """
    return _together(targets, scores)[0]


def micro_auprc(targets: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """The same for AUPRC."""
    return _together(targets, scores)[1]


def macro(values: npt.ArrayLike, classes: Sequence[str] | None = None) -> Macro:
    """Mean over the classes whose value is defined, with the names of the others.

    Args:
        values: ``(classes,)``, NaN where undefined.
        classes: Their names; ``"0"``, ``"1"``, … by default.

    Returns:
        The mean (NaN when no class is defined) and the undefined classes.
    """
    array = np.asarray(values, dtype=np.float64)
    names = [str(i) for i in range(array.size)] if classes is None else list(classes)
    if array.shape != (len(names),):
        raise DataError(f"macro needs one value per class, got values of shape {array.shape} for {len(names)} classes")
    undefined = np.isnan(array)
    mean = float(array[~undefined].mean()) if not undefined.all() else float("nan")
    return Macro(mean, tuple(name for name, gone in zip(names, undefined, strict=True) if gone))


def check_scores(targets: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[npt.NDArray[np.bool_], Floats]:
    """``(records, classes)`` targets as booleans and scores as float64, or one sentence on what is wrong with them."""
    truth, guess = np.asarray(targets), np.asarray(scores)
    if truth.ndim != 2 or truth.shape != guess.shape:
        raise DataError(f"targets and scores must both be (records, classes), got shapes {truth.shape} and {guess.shape}")
    if not truth.size:
        raise DataError(f"there is nothing to score: targets have shape {truth.shape}")
    if truth.dtype.kind not in "biuf" or guess.dtype.kind not in "biuf":
        raise DataError(f"targets and scores must be numbers, got {truth.dtype} and {guess.dtype}")
    binary = (truth == 0) | (truth == 1)
    if not binary.all():
        row, column = np.argwhere(~binary)[0]
        raise DataError(f"targets must be 0 or 1, got {truth[row, column]} at record {row}, class {column}")
    finite = np.isfinite(guess)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        count = int((~finite).sum())
        raise DataError(f"scores must be finite, got {count} NaN or infinite (the first at record {row}, class {column})")
    return truth.astype(np.bool_), guess.astype(np.float64)


def _areas(targets: npt.ArrayLike, scores: npt.ArrayLike, weights: npt.ArrayLike | None) -> tuple[Floats, Floats]:
    truth, guess = check_scores(targets, scores)
    column = np.ones((len(truth), 1)) if weights is None else _check_weights(weights, len(truth))[:, np.newaxis]
    areas = [Ranking.of(truth[:, c], guess[:, c]).areas(column) for c in range(truth.shape[1])]
    return np.array([roc[0] for roc, _ in areas]), np.array([pr[0] for _, pr in areas])


def _together(targets: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[float, float]:
    truth, guess = check_scores(targets, scores)
    roc, pr = Ranking.together(truth, guess).areas(np.ones((len(truth), 1)))
    return float(roc[0]), float(pr[0])


def _check_weights(weights: npt.ArrayLike, records: int) -> Floats:
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (records,):
        raise DataError(f"weights must be ({records},), one per record, got shape {array.shape}")
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise DataError("weights must be finite and not negative")
    return array
