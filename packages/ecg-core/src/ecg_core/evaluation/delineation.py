"""Delineation: how well the onsets and offsets of waves were found, in milliseconds.

The usual table of the LU database (Kalyakulina et al., "LUDB: a new open-access validation tool for electrocardiogram
delineation algorithms", IEEE Access 8:186181, 2020) and of ANSI/AAMI EC57: sensitivity, positive predictive value, and mean and
standard deviation of the errors of those points that were found within 150 ms. A point is an onset or an offset of one kind of
wave; a detection belongs to one point at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecg_core.errors import DataError
from ecg_core.evaluation.matching import matched

__all__ = ["TOLERANCE", "PointErrors", "Waves", "delineation_errors", "delineation_table"]

TOLERANCE = 0.15  # seconds


class Waves(NamedTuple):
    """Onsets and offsets of one kind of wave in one lead, in samples, each sorted."""

    onsets: npt.ArrayLike
    offsets: npt.ArrayLike


@dataclass(frozen=True)
class PointErrors:
    """What became of one kind of point.

    Args:
        wave: ``"P"``, ``"QRS"`` or ``"T"``.
        point: ``"onset"`` or ``"offset"``.
        found: True points that have a detection.
        missed: True points that have none.
        alarms: Detections that belong to no true point.
        mean_ms: Mean of detection minus truth, milliseconds; NaN where nothing was found.
        sd_ms: Standard deviation of these (divided by n - 1); NaN of fewer than two.
    """

    wave: str
    point: str
    found: int
    missed: int
    alarms: int
    mean_ms: float
    sd_ms: float

    @property
    def sensitivity(self) -> float:
        """Share of the true points that were found; NaN without any."""
        return self.found / (self.found + self.missed) if self.found + self.missed else float("nan")

    @property
    def ppv(self) -> float:
        """Share of the detections that belong to a true point; NaN without any."""
        return self.found / (self.found + self.alarms) if self.found + self.alarms else float("nan")


def delineation_errors(
    truth: Sequence[Mapping[str, Waves]],
    found: Sequence[Mapping[str, Waves]],
    *,
    fs: float,
    tolerance: float = TOLERANCE,
    waves: Sequence[str] = ("P", "QRS", "T"),
) -> tuple[PointErrors, ...]:
    """Errors of every kind of point over all leads of all recordings.

    Args:
        truth: Per lead of a recording the waves by kind; a kind that is absent does not occur there.
        found: The same, as detected.
        fs: Hz.
        tolerance: Largest distance at which a detection still belongs to a point, seconds.
        waves: Kinds to judge.

    Raises:
        DataError: Not as many detected leads as true ones, or points that are not sorted.

    Example:
        >>> true, seen = {"QRS": Waves([100], [150])}, {"QRS": Waves([102], [149])}
        >>> [(e.point, e.mean_ms) for e in delineation_errors([true], [seen], fs=500, waves=["QRS"])]
        [('onset', 4.0), ('offset', -2.0)]
    """
    if len(truth) != len(found):
        raise DataError(f"each lead needs its detections, got {len(found)} for {len(truth)} leads")
    result = []
    for wave in waves:
        for place, point in enumerate(("onset", "offset")):
            errors: list[float] = []
            missed = alarms = 0
            for true, seen in zip(truth, found, strict=True):
                here, there = (_points(each, wave, place) for each in (true, seen))
                pairs = matched(here, there, tolerance=tolerance * fs)
                errors += [1000 * float(there[j] - here[i]) / fs for i, j in pairs]
                missed += len(here) - len(pairs)
                alarms += len(there) - len(pairs)
            mean = float(np.mean(errors)) if errors else float("nan")
            spread = float(np.std(errors, ddof=1)) if len(errors) > 1 else float("nan")
            result.append(PointErrors(wave, point, len(errors), missed, alarms, mean, spread))
    return tuple(result)


def delineation_table(errors: Sequence[PointErrors]) -> pd.DataFrame:
    """One row per kind of point: wave, point, sensitivity, ppv, mean_ms, sd_ms, found, missed, alarms."""
    rows = [(e.wave, e.point, e.sensitivity, e.ppv, e.mean_ms, e.sd_ms, e.found, e.missed, e.alarms) for e in errors]
    names = ["wave", "point", "sensitivity", "ppv", "mean_ms", "sd_ms", "found", "missed", "alarms"]
    return pd.DataFrame(rows, columns=names)


def _points(waves: Mapping[str, Waves], wave: str, place: int) -> np.ndarray:
    return np.asarray(waves[wave][place] if wave in waves else [], dtype=np.float64).ravel()
