"""Ranking: one class's records in descending order of score, ready to be counted under any weights.

AUROC is the Mann-Whitney statistic: the probability that a random positive scores above a random negative, ties counting one half
(Hanley & McNeil 1982). AUPRC is the average precision: precision at each positive's score, averaged over the positives.
Both need only cumulative weights at the scores of the positives: the sort is done once, thousands of weightings follow cheaply.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Ranking"]

Floats = npt.NDArray[np.float64]
AnyFloats = npt.NDArray[np.floating[Any]]
Indices = npt.NDArray[np.intp]

_EXACT_IN_FLOAT32 = 2**20  # records, each drawn a few times


@dataclass(frozen=True, eq=False)
class Ranking:
    """One class's records in descending order of score.

    "Above" counts the records that score strictly higher than a positive, "through" those that score at least as high.

    Args:
        order: ``(records,)`` all records, highest score first.
        positives: ``(positives,)`` the positive ones among them, in the same order.
        above: ``(positives,)`` how many of ``order`` lie above each positive.
        through: ``(positives,)`` how many of ``order`` lie above or level with it.
        positives_above: ``(positives,)`` the same count within ``positives``.
        positives_through: ``(positives,)`` the same count within ``positives``.
    """

    order: Indices
    positives: Indices
    above: Indices
    through: Indices
    positives_above: Indices
    positives_through: Indices

    @classmethod
    def of(cls, target: npt.NDArray[np.bool_], score: Floats) -> Ranking:
        """The ranking of one class: ``target`` and ``score`` are ``(records,)``, the scores finite."""
        order = np.argsort(-score, kind="stable")
        positives = order[target[order]]
        depths, found = -score[order], -score[positives]
        return cls(
            order=order,
            positives=positives,
            above=np.searchsorted(depths, found, side="left"),
            through=np.searchsorted(depths, found, side="right"),
            positives_above=np.searchsorted(found, found, side="left"),
            positives_through=np.searchsorted(found, found, side="right"),
        )

    @classmethod
    def together(cls, targets: npt.NDArray[np.bool_], scores: Floats) -> Ranking:
        """One ranking of all classes, ``(records, classes)`` both; its entries name records, each once per class."""
        flat = cls.of(targets.ravel(), scores.ravel())
        return replace(flat, order=flat.order // targets.shape[1], positives=flat.positives // targets.shape[1])

    def areas(self, weights: AnyFloats) -> tuple[Floats, Floats]:
        """AUROC and AUPRC under each column of ``weights`` ``(records, repeats)``, as two ``(repeats,)`` arrays.

        NaN where a column gives no weight to the positives or none to the negatives.
        """
        weight = weights[self.positives].astype(np.float64)
        everyone, hits = _running_total(weights[self.order]), _running_total(weight)
        total = hits[-1]
        rest = everyone[-1] - total

        hits_through, through = hits[self.positives_through], everyone[self.through].astype(np.float64)
        misses_above = everyone[self.above] - hits[self.positives_above]
        misses_through = through - hits_through
        precision = np.divide(hits_through, through, out=np.zeros_like(through), where=through > 0)

        defined = (total > 0) & (rest > 0)
        pairs, total = np.where(defined, total * rest, 1.0), np.where(defined, total, 1.0)
        auroc = 1 - 0.5 * (weight * (misses_above + misses_through)).sum(axis=0) / pairs
        auprc = (weight * precision).sum(axis=0) / total
        return np.where(defined, auroc, np.nan), np.where(defined, auprc, np.nan)


def _running_total(weights: AnyFloats) -> AnyFloats:
    """``(records, repeats)`` → ``(records + 1, repeats)``; row k is the total of the first k rows.

    Whole numbers stay exact in float32 as long as they are below 2^24, and take half the memory traffic.
    """
    dtype = weights.dtype if weights.shape[0] <= _EXACT_IN_FLOAT32 else np.dtype(np.float64)
    total = np.zeros((weights.shape[0] + 1, weights.shape[1]), dtype=dtype)
    np.cumsum(weights, axis=0, out=total[1:])
    return total
