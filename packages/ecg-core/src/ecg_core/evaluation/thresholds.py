"""Thresholds: from which score on a record is said to carry a class, chosen on other records than those they are judged on.

The threshold of greatest F1 on the validation split, class by class (Lipton, Elkan & Naryanaswamy, "Optimal thresholding of
classifiers to maximize F1 measure", ECML 2014). A threshold chosen on the test split would make every rate look better than it
is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ecg_core.errors import DataError
from ecg_core.evaluation.metrics import check_scores
from ecg_core.evaluation.ranking import Floats

__all__ = ["DEFAULT_THRESHOLD", "Thresholds", "best_f1_thresholds", "choose_thresholds"]

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Thresholds:
    """How scores become decisions.

    Args:
        rule: ``"threshold"``: a class is given from its threshold on. ``"argmax"``: the class of the highest score is given.
        source: Which records they were chosen on, in words.
        classes: One name per score.
        values: One per class; NaN under ``"argmax"``.
        defaults: Classes whose threshold is 0.5 because nothing could be learned about it.
    """

    rule: Literal["threshold", "argmax"]
    source: str
    classes: tuple[str, ...]
    values: tuple[float, ...]
    defaults: tuple[str, ...] = ()

    @classmethod
    def argmax(cls, classes: Sequence[str]) -> Thresholds:
        """The rule of a multi-class model, which has nothing to choose."""
        return cls("argmax", "the class with the highest score is given", tuple(classes), (float("nan"),) * len(classes))

    def decide(self, scores: Floats) -> npt.NDArray[np.bool_]:
        """``(records, classes)`` scores as decisions; under ``"argmax"`` exactly one per record, the first of equal ones.

        Raises:
            DataError: There are more or fewer scores than classes.
        """
        if scores.ndim != 2 or scores.shape[1] != len(self.classes):
            raise DataError(f"thresholds of {len(self.classes)} classes take (records, classes) scores, got shape {scores.shape}")
        if self.rule == "argmax":
            return np.asarray(np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, np.newaxis])
        return np.asarray(scores >= np.array(self.values))

    @property
    def note(self) -> str:
        """What a careful reader needs to know; empty when nothing is unusual."""
        if not self.defaults:
            return ""
        return (
            f"No threshold could be chosen for {', '.join(self.defaults)}, for want of positive or negative validation records: "
            f"the default {DEFAULT_THRESHOLD:g} is used there."
        )


def best_f1_thresholds(targets: npt.ArrayLike, scores: npt.ArrayLike) -> Floats:
    """The threshold of greatest F1 of each class, ``(classes,)``; NaN for a class without positives or without negatives.

    It lies half way between the lowest score that counts as positive and the next one below. Of equally good ones the highest is
    taken, which raises the fewest alarms.

    Args:
        targets: ``(records, classes)`` of 0 and 1.
        scores: ``(records, classes)``.

    Example:
        >>> best_f1_thresholds([[0], [0], [1], [1]], [[0.1], [0.5], [0.7], [0.9]])
        array([0.6])
    """
    truth, guess = check_scores(targets, scores)
    return np.array([_best(truth[:, c], guess[:, c]) for c in range(truth.shape[1])])


def choose_thresholds(
    targets: npt.ArrayLike, scores: npt.ArrayLike, *, classes: Sequence[str], source: str = "the validation split"
) -> Thresholds:
    """Thresholds of greatest F1, and 0.5, named as such, where the records say nothing about a class.

    Args:
        targets: ``(records, classes)`` of 0 and 1; there may be no records.
        scores: ``(records, classes)``.
        classes: One name per column.
        source: Which records these are, in words.
    """
    found = best_f1_thresholds(targets, scores) if len(np.asarray(targets)) else np.full(len(classes), np.nan)
    unknown = np.isnan(found)
    return Thresholds(
        "threshold",
        f"greatest F1 on {source}" if len(np.asarray(targets)) else f"{source} is empty",
        tuple(classes),
        tuple(float(value) for value in np.where(unknown, DEFAULT_THRESHOLD, found)),
        tuple(name for name, gone in zip(classes, unknown, strict=True) if gone),
    )


def _best(target: npt.NDArray[np.bool_], score: Floats) -> float:
    if target.all() or not target.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    last = np.flatnonzero(np.append(np.diff(ranked) != 0, True))  # a threshold cannot part equal scores
    hits = np.cumsum(target[order])[last]
    f1 = 2 * hits / (last + 1 + target.sum())
    best = int(np.argmax(f1))
    lowest = ranked[last[best]]
    below = ranked[last[best] + 1] if last[best] + 1 < len(ranked) else lowest
    middle = 0.5 * (lowest + below)
    return float(middle if middle > below else lowest)  # neighbouring floats have nothing between them
