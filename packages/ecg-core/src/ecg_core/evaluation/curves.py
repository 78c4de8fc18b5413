"""Curves of one class as points: ROC, precision-recall and reliability, each ``(x, y)`` ready to be drawn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecg_core.evaluation.ranking import Floats

__all__ = ["Reliability", "precision_recall_points", "reliability", "roc_points"]

Bools = npt.NDArray[np.bool_]


class Reliability(NamedTuple):
    """Bins of scores: mean score, fraction of positives and number of records in each."""

    score: Floats
    fraction: Floats
    records: npt.NDArray[np.intp]


def roc_points(target: Bools, score: Floats) -> tuple[Floats, Floats]:
    """False and true positive rate at every distinct score, from (0, 0) to (1, 1); its area is the AUROC."""
    hits, flagged = _counts(target, score)
    misses = flagged - hits
    return misses / misses[-1], hits / hits[-1]


def precision_recall_points(target: Bools, score: Floats) -> tuple[Floats, Floats]:
    """Recall and precision as stairs; the area under the stairs is the average precision."""
    hits, flagged = _counts(target, score)
    recall, precision = hits / hits[-1], hits[1:] / flagged[1:]
    return np.repeat(recall, 2)[1:-1], np.repeat(precision, 2)


def reliability(target: Bools, score: Floats, *, bins: int = 10) -> Reliability:
    """What the scores promise and what came true, in ``bins`` equal parts of [0, 1]; empty bins are left out.

    Args:
        target: ``(records,)``.
        score: ``(records,)`` probabilities.
        bins: Number of parts.
    """
    place = np.clip((score * bins).astype(np.intp), 0, bins - 1)
    records = np.bincount(place, minlength=bins)
    filled = records > 0
    records = records[filled]
    mean = np.bincount(place, weights=score, minlength=bins)[filled] / records
    return Reliability(mean, np.bincount(place, weights=target, minlength=bins)[filled] / records, records)


def _counts(target: Bools, score: Floats) -> tuple[Floats, Floats]:
    """How many positives and how many records score at least as high as each distinct score, beginning with none."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # of each run of tied scores
    return np.append(0.0, np.cumsum(target[order])[last]), np.append(0.0, last + 1.0)
