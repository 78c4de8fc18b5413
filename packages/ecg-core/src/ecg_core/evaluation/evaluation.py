"""Evaluation: how well scores separate each class, with patient-wise intervals; made once, then printed, stored or drawn."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecg_core.errors import DataError
from ecg_core.evaluation.bootstrap import bootstrap, clusters, interval
from ecg_core.evaluation.metrics import auprc, auroc, check_scores, macro
from ecg_core.evaluation.ranking import Floats

__all__ = ["ClassResult", "Estimate", "Evaluation", "evaluate_scores"]


@dataclass(frozen=True)
class Estimate:
    """A value with its interval.

    Args:
        value: On all records; NaN where undefined.
        low: Lower end of the interval.
        high: Upper end.
        usable: Bootstrap repeats in which the value existed (a rare class may not be drawn).
    """

    value: float
    low: float
    high: float
    usable: int

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})" if math.isfinite(self.value) else "undefined"


@dataclass(frozen=True)
class ClassResult:
    """One class: its name, how many records carry it, and how well the scores find them."""

    name: str
    positives: int
    auroc: Estimate
    auprc: Estimate


@dataclass(frozen=True)
class Evaluation:
    """How well scores separate each class.

    Args:
        per_class: One result per class, in the order of the score columns.
        macro_auroc: Mean over the classes for which it is defined; in a repeat, over those defined in the repeat.
        macro_auprc: The same for AUPRC.
        n_records: Records scored.
        n_patients: Patients among them, a record of an unknown patient counting as one; ``None`` when all are unknown.
        level: Of the intervals, e.g. 0.95.
        repeats: Bootstrap repeats.
        seed: Of the bootstrap.
    """

    per_class: tuple[ClassResult, ...]
    macro_auroc: Estimate
    macro_auprc: Estimate
    n_records: int
    n_patients: int | None
    level: float
    repeats: int
    seed: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes."""
        return tuple(result.name for result in self.per_class)

    @property
    def undefined(self) -> tuple[str, ...]:
        """Classes without a positive or without a negative record: they have no area and are left out of the means."""
        return tuple(result.name for result in self.per_class if math.isnan(result.auroc.value))

    def table(self) -> pd.DataFrame:
        """One row per class: class, positives, auroc, auroc_low, auroc_high, auprc, auprc_low, auprc_high."""
        rows = [
            (r.name, r.positives, r.auroc.value, r.auroc.low, r.auroc.high, r.auprc.value, r.auprc.low, r.auprc.high)
            for r in self.per_class
        ]
        names = ["class", "positives", "auroc", "auroc_low", "auroc_high", "auprc", "auprc_low", "auprc_high"]
        return pd.DataFrame(rows, columns=names)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON; NaN becomes ``None``."""
        return {
            "n_records": self.n_records,
            "n_patients": self.n_patients,
            "level": self.level,
            "repeats": self.repeats,
            "seed": self.seed,
            "macro_auroc": _to_json(self.macro_auroc),
            "macro_auprc": _to_json(self.macro_auprc),
            "undefined": list(self.undefined),
            "per_class": [
                {"name": r.name, "positives": r.positives, "auroc": _to_json(r.auroc), "auprc": _to_json(r.auprc)}
                for r in self.per_class
            ],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Evaluation:
        """The inverse of :meth:`to_dict`."""
        return cls(
            per_class=tuple(
                ClassResult(r["name"], r["positives"], _from_json(r["auroc"]), _from_json(r["auprc"]))
                for r in stored["per_class"]
            ),
            macro_auroc=_from_json(stored["macro_auroc"]),
            macro_auprc=_from_json(stored["macro_auprc"]),
            n_records=stored["n_records"],
            n_patients=stored["n_patients"],
            level=stored["level"],
            repeats=stored["repeats"],
            seed=stored["seed"],
        )

    def __str__(self) -> str:
        rows = [(r.name, str(r.positives), str(r.auroc), str(r.auprc)) for r in self.per_class]
        rows = [("class", "positives", "AUROC", "AUPRC"), *rows, ("macro", "", str(self.macro_auroc), str(self.macro_auprc))]
        name, *widths = (max(len(cell) for cell in column) for column in zip(*rows, strict=True))
        lines = [
            "  ".join([row[0].ljust(name), *(cell.rjust(width) for cell, width in zip(row[1:], widths, strict=True))])
            for row in rows
        ]
        whose = "each record as a patient of its own" if self.n_patients is None else f"{self.n_patients} patients"
        lines.append(f"{self.n_records} records, {whose}; {100 * self.level:g}% intervals from {self.repeats} bootstrap repeats")
        if self.undefined:
            lines.append(f"left out of the means, for want of a positive or a negative: {', '.join(self.undefined)}")
        return "\n".join(lines)


def evaluate_scores(
    targets: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    classes: Sequence[str],
    patients: Sequence[object] | npt.NDArray[np.generic] | None = None,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """AUROC and AUPRC per class and on average, with patient-wise bootstrap intervals.

    Args:
        targets: ``(records, classes)`` of 0 and 1.
        scores: ``(records, classes)``, finite; higher means more likely.
        classes: One name per column.
        patients: ``(records,)`` whose record it is; unknown ones (``None``, NaN) count as a patient of their own each.
        repeats: Bootstrap repeats.
        level: Of the intervals.
        seed: Of the bootstrap.

    Raises:
        DataError: Arguments that do not fit.
    """
    truth, guess = check_scores(targets, scores)
    names = [classes] if isinstance(classes, str) else list(classes)
    if len(names) != truth.shape[1]:
        raise DataError(f"classes must name each of the {truth.shape[1]} score columns, got {len(names)} names")
    if len(set(names)) != len(names):
        raise DataError(f"class names must be unique, got {', '.join(sorted({n for n in names if names.count(n) > 1}))} twice")
    drawn = bootstrap(truth, guess, patients=patients, repeats=repeats, seed=seed)
    roc, pr = _estimates(auroc(truth, guess), drawn.auroc, level), _estimates(auprc(truth, guess), drawn.auprc, level)
    return Evaluation(
        per_class=tuple(
            ClassResult(name, int(count), a, b) for name, count, a, b in zip(names, truth.sum(axis=0), roc, pr, strict=True)
        ),
        macro_auroc=_macro_estimate(roc, drawn.auroc, level),
        macro_auprc=_macro_estimate(pr, drawn.auprc, level),
        n_records=len(truth),
        n_patients=_count_patients(patients, len(truth)),
        level=level,
        repeats=repeats,
        seed=seed,
    )


def _count_patients(patients: Sequence[object] | npt.NDArray[np.generic] | None, records: int) -> int | None:
    """``None`` when no record's patient is known."""
    if patients is None or all(pd.isna(list(patients))):
        return None
    return int(clusters(patients, records).max()) + 1


def _estimates(values: Floats, drawn: Floats, level: float) -> list[Estimate]:
    return [Estimate(float(value), *interval(column, level)) for value, column in zip(values, drawn.T, strict=True)]


def _macro_estimate(estimates: Sequence[Estimate], drawn: Floats, level: float) -> Estimate:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Mean of empty slice", category=RuntimeWarning)
        means = np.nanmean(drawn, axis=1)
    return Estimate(macro([estimate.value for estimate in estimates]).value, *interval(means, level))


def _to_json(estimate: Estimate) -> dict[str, float | int | None]:
    value, low, high = (number if math.isfinite(number) else None for number in (estimate.value, estimate.low, estimate.high))
    return {"value": value, "low": low, "high": high, "usable": estimate.usable}


def _from_json(stored: Mapping[str, Any]) -> Estimate:
    value, low, high = (math.nan if stored[key] is None else float(stored[key]) for key in ("value", "low", "high"))
    return Estimate(value, low, high, stored["usable"])
