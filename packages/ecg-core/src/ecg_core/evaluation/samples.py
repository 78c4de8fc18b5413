"""Labels of samples judged: which share of them is right, and which waves and beats were found, with patient-wise intervals.

Events are matched as ANSI/AAMI EC57 and the LU database (Kalyakulina et al., IEEE Access 8:186181, 2020) do: a detection within
150 ms belongs to an event, each to one at most. What lies where the truth is not known (:mod:`ecg_core.data.step_target`) is
neither right nor wrong. Everything judged is a sum over recordings, so each bootstrap repeat is a weighting of those sums.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from ecg_core.errors import DataError
from ecg_core.evaluation.bootstrap import clusters, multiplicities
from ecg_core.evaluation.estimate import Estimate, macro_estimate
from ecg_core.evaluation.matching import matched
from ecg_core.evaluation.ranking import Floats
from ecg_core.evaluation.stored import pack, unpack
from ecg_core.evaluation.text import aligned

__all__ = ["TOLERANCE", "EventResult", "LabelledRecording", "SampleEvaluation", "SampleResult", "evaluate_samples"]

TOLERANCE = 0.15  # seconds


class LabelledRecording(NamedTuple):
    """What is true of a recording, and what was found.

    Args:
        truth: ``(samples,)`` class numbers, -1 where nothing is known.
        found: ``(samples,)`` class numbers.
        events: True positions by name, in samples, sorted.
        detections: Found positions by name, in samples, sorted.
        patient: Whose recording it is, if that is known.
    """

    truth: np.ndarray
    found: np.ndarray
    events: Mapping[str, np.ndarray]
    detections: Mapping[str, np.ndarray]
    patient: str | None = None


@dataclass(frozen=True)
class SampleResult:
    """One class: samples that carry it, and how well they are told."""

    name: str
    samples: int
    f1: Estimate
    sensitivity: Estimate
    ppv: Estimate


@dataclass(frozen=True)
class EventResult:
    """One kind of event, such as ``"QRS onset"``.

    Args:
        name: Of the kind.
        found: Events that have a detection.
        missed: Events that have none.
        alarms: Detections, where the truth is known, that belong to no event.
        f1: Of these counts.
        sensitivity: ``found / (found + missed)``.
        ppv: ``found / (found + alarms)``.
        mean_ms: Mean of detection minus event, milliseconds; NaN where nothing was found.
        sd_ms: Standard deviation of these (divided by n - 1); NaN of fewer than two.
        errors: Pairs of an error in milliseconds and how many events have it, sorted; errors are multiples of a sample.
    """

    name: str
    found: int
    missed: int
    alarms: int
    f1: Estimate
    sensitivity: Estimate
    ppv: Estimate
    mean_ms: float
    sd_ms: float
    errors: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class SampleEvaluation:
    """How well samples are labelled and events are found.

    Args:
        per_class: One result per class.
        events: One per kind of event.
        macro_f1: Mean over the classes that occur.
        n_records: Recordings judged.
        n_patients: Patients among them, a recording of an unknown patient counting as one; ``None`` when all are unknown.
        tolerance_ms: Of the events.
        level: Of the intervals.
        repeats: Bootstrap repeats.
        seed: Of the bootstrap.
        fs: Of the labels, Hz; NaN where an older file does not tell.
    """

    per_class: tuple[SampleResult, ...]
    events: tuple[EventResult, ...]
    macro_f1: Estimate
    n_records: int
    n_patients: int | None
    tolerance_ms: float
    level: float
    repeats: int
    seed: int
    fs: float = math.nan

    def table(self) -> pd.DataFrame:
        """One row per class: class, samples, then f1, sensitivity and ppv with ``_low`` and ``_high``."""
        rows = [{"class": r.name, "samples": r.samples, **_estimates(r)} for r in self.per_class]
        return pd.DataFrame(rows)

    def events_table(self) -> pd.DataFrame:
        """One row per kind of event: event, found, missed, alarms, f1 …, mean_ms, sd_ms."""
        rows = [
            {"event": r.name, "found": r.found, "missed": r.missed, "alarms": r.alarms, **_estimates(r)}
            | {"mean_ms": r.mean_ms, "sd_ms": r.sd_ms}
            for r in self.events
        ]
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON; NaN becomes ``None``."""
        return dict(pack(self))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`."""
        return unpack(cls, stored)

    def __str__(self) -> str:
        rows = [(r.name, f"{r.samples:,}", str(r.f1), str(r.sensitivity), str(r.ppv)) for r in self.per_class]
        lines = aligned([("samples of", "number", "F1", "sensitivity", "PPV"), *rows, ("macro", "", str(self.macro_f1), "", "")])
        if self.events:
            found = [
                (
                    r.name,
                    f"{r.found + r.missed:,}",
                    str(r.f1),
                    str(r.sensitivity),
                    str(r.ppv),
                    f"{r.mean_ms:+.1f} ± {r.sd_ms:.1f}",
                )
                for r in self.events
            ]
            head = (f"within {self.tolerance_ms:g} ms", "number", "F1", "sensitivity", "PPV", "error (ms)")
            lines += ["", *aligned([head, *found])]
        whose = "each a patient of its own" if self.n_patients is None else f"{self.n_patients} patients"
        intervals = f"{100 * self.level:g}% intervals from {self.repeats} bootstrap repeats"
        return "\n".join([*lines, "", f"{self.n_records} recordings, {whose}; {intervals}"])


def evaluate_samples(
    recordings: Sequence[LabelledRecording],
    *,
    classes: Sequence[str],
    kinds: Mapping[str, str],
    fs: float,
    tolerance: float = TOLERANCE,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> SampleEvaluation:
    """Sample by sample and event by event.

    Args:
        recordings: With what is true and what was found.
        classes: Names of the class numbers.
        kinds: Names of the events to judge, by the name their positions have: ``{"wave/qrs_on/II": "QRS onset"}``.
        fs: Hz.
        tolerance: Largest distance at which a detection still belongs to an event, seconds.
        repeats: Bootstrap repeats; patients are drawn, each with all his recordings.
        level: Of the intervals.
        seed: Of the bootstrap.

    Raises:
        DataError: There is no recording, or truth and labels of one are of different lengths.
    """
    if not recordings:
        raise DataError("there is no recording to judge")
    confusion = np.array([_confusion(one, len(classes)) for one in recordings], dtype=np.float64)
    matches = [[_matches(one, name, fs, tolerance) for one in recordings] for name in kinds]
    names = [one.patient for one in recordings]
    known = any(name is not None for name in names)
    codes = clusters(names if known else None, len(names))
    weights = np.concatenate(list(multiplicities(codes, repeats=repeats, seed=seed)), axis=1).T  # (repeats, recordings)
    drawn = np.einsum("rn,nij->rij", weights, confusion)
    total = confusion.sum(axis=0)
    of_classes = [_rates(*_of_class(total, c), *_of_class(drawn, c), level=level) for c in range(len(classes))]
    f1_drawn = np.stack([_f1(*_of_class(drawn, c)) for c in range(len(classes))], axis=1)
    return SampleEvaluation(
        per_class=tuple(
            SampleResult(name, int(row.sum()), *rates) for name, row, rates in zip(classes, total, of_classes, strict=True)
        ),
        events=tuple(_event(name, each, weights, level) for name, each in zip(kinds.values(), matches, strict=True)),
        macro_f1=macro_estimate([rates[0] for rates in of_classes], f1_drawn, level),
        n_records=len(recordings),
        n_patients=int(codes.max()) + 1 if known else None,
        tolerance_ms=1000 * tolerance,
        level=level,
        repeats=repeats,
        seed=seed,
        fs=fs,
    )


def _confusion(one: LabelledRecording, classes: int) -> np.ndarray:
    if one.truth.shape != one.found.shape:
        raise DataError(f"truth has {one.truth.shape} samples and the labels {one.found.shape}; they are of one recording")
    known = one.truth >= 0
    return np.bincount(one.truth[known] * classes + one.found[known], minlength=classes**2).reshape(classes, classes)


class _Matches(NamedTuple):
    """Events of one kind in one recording: detected ones, those that are not, detections of nothing; errors in milliseconds."""

    found: int
    missed: int
    alarms: int
    errors: np.ndarray


def _matches(one: LabelledRecording, name: str, fs: float, tolerance: float) -> _Matches:
    events = np.asarray(one.events.get(name, ()), dtype=np.int64)
    detections = np.asarray(one.detections.get(name, ()), dtype=np.int64)
    pairs = matched(events.astype(np.float64), detections.astype(np.float64), tolerance=tolerance * fs)
    errors = np.array([1000 * (detections[j] - events[i]) / fs for i, j in pairs], dtype=np.float64)
    alone = np.delete(detections, [j for _, j in pairs])
    return _Matches(len(pairs), len(events) - len(pairs), int((one.truth[alone] >= 0).sum()), errors)


def _event(name: str, matches: Sequence[_Matches], weights: Floats, level: float) -> EventResult:
    counts = np.array([match[:3] for match in matches], dtype=np.float64)
    found, missed, alarms = counts.sum(axis=0).tolist()
    rates = _rates(found, missed, alarms, *(weights @ counts).T, level=level)
    errors = np.concatenate([match.errors for match in matches])
    mean = float(errors.mean()) if len(errors) else float("nan")
    spread = float(errors.std(ddof=1)) if len(errors) > 1 else float("nan")
    each = tuple(zip(*(column.tolist() for column in np.unique(errors, return_counts=True)), strict=True))
    return EventResult(name, int(found), int(missed), int(alarms), *rates, mean, spread, each)


def _of_class(confusion: np.ndarray, number: int) -> tuple[Any, Any, Any]:
    """Found, missed and false of a class, in ``(..., classes, classes)`` with the truth in rows."""
    hits = confusion[..., number, number]
    return hits, confusion[..., number, :].sum(axis=-1) - hits, confusion[..., :, number].sum(axis=-1) - hits


def _rates(found: Any, missed: Any, alarms: Any, *drawn: Floats, level: float) -> tuple[Estimate, Estimate, Estimate]:
    """F1, sensitivity and PPV."""
    here, there = (found, missed, alarms), drawn
    made = [
        Estimate.of(float(rate(*here)), rate(*there), level)
        for rate in (_f1, lambda f, m, a: _share(f, f + m), lambda f, m, a: _share(f, f + a))
    ]
    return made[0], made[1], made[2]


def _f1(found: Any, missed: Any, alarms: Any) -> Floats:
    """NaN without an event."""
    twice = 2 * np.asarray(found)
    return np.where(np.asarray(found) + missed > 0, _share(twice, twice + missed + alarms), np.nan)


def _share(part: Any, whole: Any) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(np.asarray(whole) > 0, np.asarray(part) / whole, np.nan), dtype=np.float64)


def _estimates(result: SampleResult | EventResult) -> dict[str, float]:
    words = {"f1": result.f1, "sensitivity": result.sensitivity, "ppv": result.ppv}
    return {
        name: value
        for word, e in words.items()
        for name, value in ((word, e.value), (f"{word}_low", e.low), (f"{word}_high", e.high))
    }
