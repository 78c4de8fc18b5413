"""The score of the PhysioNet/CinC Challenge 2017: mean F1 of normal, atrial fibrillation and other rhythm.

Clifford et al., "AF classification from a short single lead ECG recording", CinC 2017. The F1 of a class is twice the recordings
that are rightly given to it, over those that belong to it plus those that are given to it. That of noisy recordings is reported
and does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ecg_core.errors import DataError

__all__ = ["CINC2017_CLASSES", "CinC2017", "cinc2017_score"]

CINC2017_CLASSES = ("N", "A", "O", "~")


class CinC2017(NamedTuple):
    """F1 of normal, AF, other and noisy recordings, and the mean of the first three.

    A class that is neither true nor given anywhere has NaN, and so has the mean.
    """

    normal: float
    af: float
    other: float
    noisy: float
    score: float


def cinc2017_score(truth: Sequence[str], given: Sequence[str]) -> CinC2017:
    """The challenge's score.

    Args:
        truth: Class of each recording: ``"N"``, ``"A"``, ``"O"`` or ``"~"``.
        given: The answers.

    Raises:
        DataError: Other classes, or not as many answers as recordings.

    Example:
        >>> cinc2017_score(["N", "A", "O", "~"], ["N", "A", "O", "O"]).score.__round__(4)
        0.8889
    """
    if len(truth) != len(given) or not len(truth):
        raise DataError(f"each recording needs one answer, got {len(given)} answers for {len(truth)} recordings")
    known, answers = np.array(list(truth), dtype=object), np.array(list(given), dtype=object)
    strange = sorted({str(name) for name in (*known, *answers)} - set(CINC2017_CLASSES))
    if strange:
        raise DataError(f"the classes of CinC 2017 are N, A, O and ~, got {', '.join(strange)}")
    values = []
    for name in CINC2017_CLASSES:
        total = int((known == name).sum() + (answers == name).sum())
        values.append(2 * int(((known == name) & (answers == name)).sum()) / total if total else float("nan"))
    normal, af, other, noisy = values
    return CinC2017(normal, af, other, noisy, (normal + af + other) / 3)
