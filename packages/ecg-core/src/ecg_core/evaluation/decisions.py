"""Decisions: F1, sensitivity, specificity and positive predictive value at fixed thresholds, and confusion matrices.

The bootstrap draws the same patients as that of the areas under the curves, with the thresholds held fixed. A rate whose
denominator is empty does not exist; so does no F1 of a class without a positive record, which some libraries call 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecg_core.errors import DataError
from ecg_core.evaluation.bootstrap import clusters, multiplicities
from ecg_core.evaluation.estimate import Estimate, macro_estimate
from ecg_core.evaluation.metrics import check_scores
from ecg_core.evaluation.ranking import AnyFloats, Floats
from ecg_core.evaluation.thresholds import Thresholds

__all__ = ["ClassDecisions", "Decisions", "Rates", "confusion_matrix", "decide_and_score", "rates"]

Bools = npt.NDArray[np.bool_]


class Rates(NamedTuple):
    """What decisions got right, each ``(classes,)`` or ``(repeats, classes)``; NaN where undefined."""

    f1: Floats
    sensitivity: Floats
    specificity: Floats
    ppv: Floats
    micro_f1: Floats


@dataclass(frozen=True)
class ClassDecisions:
    """One class: its threshold, the four counts of its 2×2 table, and the rates they give.

    ``threshold`` is ``None`` where the highest score decides.
    """

    name: str
    threshold: float | None
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    f1: Estimate
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate


@dataclass(frozen=True)
class Decisions:
    """Rates of all classes at their thresholds.

    Args:
        thresholds: How the decisions were made.
        per_class: In the order of the scores.
        macro_f1: Mean over the classes that have a positive record.
        micro_f1: Of all decisions taken together.
        macro_sensitivity: Mean over the classes for which it is defined; so are the next two.
        macro_specificity: As above.
        macro_ppv: As above.
        confusion: Of a multi-class model: rows are true classes, columns given ones, over the records that have exactly one
            true class.
        without_one_class: Records of a multi-class model with no or several true classes, which have no row there.
    """

    thresholds: Thresholds
    per_class: tuple[ClassDecisions, ...]
    macro_f1: Estimate
    micro_f1: Estimate
    macro_sensitivity: Estimate
    macro_specificity: Estimate
    macro_ppv: Estimate
    confusion: tuple[tuple[int, ...], ...] = ()
    without_one_class: int = 0


def rates(targets: Bools, given: Bools, weights: AnyFloats | None = None) -> Rates:
    """Rates of decisions, under each column of ``weights`` ``(records, repeats)`` if there are any.

    Args:
        targets: ``(records, classes)``.
        given: ``(records, classes)``, the decisions.
        weights: Not negative.

    Example:
        >>> import numpy as np
        >>> r = rates(np.array([[True], [True], [False], [False]]), np.array([[True], [False], [False], [False]]))
        >>> [float(v[0]) for v in (r.f1, r.sensitivity, r.specificity, r.ppv)]
        [0.6666666666666666, 0.5, 1.0, 1.0]
    """
    w = np.ones((len(targets), 1)) if weights is None else weights
    hits, positives, flagged = (
        np.asarray(w.T @ each.astype(w.dtype), dtype=np.float64) for each in (targets & given, targets, given)
    )
    everyone = w.sum(axis=0, dtype=np.float64)[:, np.newaxis]
    misses = flagged - hits
    found = Rates(
        f1=_ratio(2 * hits, positives + flagged, exists=positives > 0),
        sensitivity=_ratio(hits, positives),
        specificity=_ratio(everyone - positives - misses, everyone - positives),
        ppv=_ratio(hits, flagged),
        micro_f1=_ratio(2 * hits.sum(axis=1), (positives + flagged).sum(axis=1), exists=positives.sum(axis=1) > 0),
    )
    return Rates(*(each[0] for each in found)) if weights is None else found


def confusion_matrix(targets: Bools, given: Bools) -> tuple[npt.NDArray[np.intp], int]:
    """``(true classes, given classes)`` counts over the records with exactly one true class, and how many have not.

    Raises:
        DataError: A record was given no class, or several: its decisions are not those of a multi-class model.
    """
    if not (given.sum(axis=1) == 1).all():
        raise DataError("a confusion matrix needs exactly one given class per record; take decisions by argmax")
    single = targets.sum(axis=1) == 1
    return np.asarray(targets[single].T.astype(np.intp) @ given[single].astype(np.intp)), int((~single).sum())


def decide_and_score(
    targets: npt.ArrayLike,
    scores: npt.ArrayLike,
    thresholds: Thresholds,
    *,
    patients: Sequence[object] | npt.NDArray[np.generic] | None = None,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Decisions:
    """Take the decisions and judge them. Arguments and errors are those of :func:`ecg_core.evaluation.bootstrap.bootstrap`."""
    truth, guess = check_scores(targets, scores)
    given = thresholds.decide(guess)
    blocks = [
        rates(truth, given, weights) for weights in multiplicities(clusters(patients, len(truth)), repeats=repeats, seed=seed)
    ]
    drawn = Rates(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))
    plain = rates(truth, given)

    def estimates(values: Floats, repeated: Floats) -> list[Estimate]:
        return [Estimate.of(value, column, level) for value, column in zip(values, repeated.T, strict=True)]

    columns = [estimates(values, repeated) for values, repeated in zip(plain[:4], drawn[:4], strict=True)]
    hits, misses = (truth & given).sum(axis=0).tolist(), (~truth & given).sum(axis=0).tolist()
    positives = truth.sum(axis=0).tolist()
    per_class = tuple(
        ClassDecisions(
            name=name,
            threshold=None if np.isnan(threshold) else threshold,
            true_positives=hits[c],
            false_positives=misses[c],
            false_negatives=positives[c] - hits[c],
            true_negatives=len(truth) - positives[c] - misses[c],
            f1=columns[0][c],
            sensitivity=columns[1][c],
            specificity=columns[2][c],
            ppv=columns[3][c],
        )
        for c, (name, threshold) in enumerate(zip(thresholds.classes, thresholds.values, strict=True))
    )
    macros = [macro_estimate(column, repeated, level) for column, repeated in zip(columns, drawn[:4], strict=True)]
    matrix, without = confusion_matrix(truth, given) if thresholds.rule == "argmax" else (np.zeros((0, 0), np.intp), 0)
    return Decisions(
        thresholds=thresholds,
        per_class=per_class,
        macro_f1=macros[0],
        micro_f1=Estimate.of(float(plain.micro_f1), drawn.micro_f1, level),
        macro_sensitivity=macros[1],
        macro_specificity=macros[2],
        macro_ppv=macros[3],
        confusion=tuple(tuple(int(n) for n in row) for row in matrix),
        without_one_class=without,
    )


def _ratio(above: Floats, below: Floats, *, exists: Bools | None = None) -> Floats:
    exists = below > 0 if exists is None else exists & (below > 0)
    return np.asarray(np.divide(above, below, out=np.full(below.shape, np.nan), where=exists))
