"""The QRS score of the China Physiological Signal Challenge 2019.

Gao et al., "An open-access ECG database for algorithm evaluation of QRS detection and heart rate estimation", J. Med. Imaging
Health Inf. 9:1853, 2019, and the challenge's page on scoring. A recording scores 1 when every beat is found within 75 ms and
nothing else is, 0.7 with one false alarm, 0.3 with one missed beat, and 0 otherwise; the score is the mean over recordings.
Beats in the first and the last half second of a recording do not count.

What the rules leave open: a detection is paired with at most one beat, so two detections of one beat are a false alarm; and
detections count everywhere between the first and the last half second, also ahead of the first beat.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ecg_core.errors import DataError
from ecg_core.evaluation.matching import matched

__all__ = ["cpsc2019_qrs_score"]

_TOLERANCE = 0.075  # seconds
_EDGE = 0.5
_SCORES = {(0, 0): 1.0, (1, 0): 0.7, (0, 1): 0.3}  # by false alarms and missed beats


def cpsc2019_qrs_score(
    truth: Sequence[npt.ArrayLike], found: Sequence[npt.ArrayLike], *, fs: float, seconds: float = 10.0
) -> float:
    """Mean score over recordings, from 0 to 1.

    Args:
        truth: R peaks of each recording, in samples.
        found: Detections of each recording, in samples.
        fs: Hz.
        seconds: Length of a recording.

    Raises:
        DataError: Not as many lists of detections as recordings.

    Example:
        >>> cpsc2019_qrs_score([[500, 1000], [500, 1000]], [[501, 999], [500]], fs=500)
        0.65
    """
    if len(truth) != len(found) or not len(truth):
        raise DataError(f"each recording needs its detections, got {len(found)} lists for {len(truth)} recordings")
    low, high, reach = _EDGE * fs, (seconds - _EDGE) * fs, _TOLERANCE * fs
    return float(np.mean([_one(_sorted(t), _sorted(f), low, high, reach) for t, f in zip(truth, found, strict=True)]))


def _one(truth: np.ndarray, found: np.ndarray, low: float, high: float, reach: float) -> float:
    inside = truth[(truth >= low) & (truth <= high)]
    pairs = matched(inside, found, tolerance=reach)
    missed = len(inside) - len(pairs)
    used = {place for _, place in pairs}
    # A detection near a beat that does not count, or beyond the counted stretch, is no false alarm.
    beyond = truth[(truth < low) | (truth > high)]
    alarms = sum(
        place not in used and low <= at <= high and not (np.abs(beyond - at) <= reach).any() for place, at in enumerate(found)
    )
    return _SCORES.get((alarms, missed), 0.0)


def _sorted(samples: npt.ArrayLike) -> np.ndarray:
    return np.sort(np.asarray(samples, dtype=np.float64).ravel())
