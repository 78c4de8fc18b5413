"""Evaluation: how well scores separate each class, with patient-wise intervals; made once, then printed, stored or drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecg_core.errors import DataError
from ecg_core.evaluation.bootstrap import Resamples, bootstrap, clusters, micro_bootstrap
from ecg_core.evaluation.calibration import Calibration, calibrate_scores, stored_with_intervals
from ecg_core.evaluation.decisions import Decisions, decide_and_score
from ecg_core.evaluation.estimate import Estimate, macro_estimate
from ecg_core.evaluation.metrics import auprc, auroc, check_scores, micro_auprc, micro_auroc
from ecg_core.evaluation.paired import Comparison
from ecg_core.evaluation.ranking import Floats
from ecg_core.evaluation.stored import pack, unpack
from ecg_core.evaluation.subgroups import Subgroup
from ecg_core.evaluation.text import evaluation_text
from ecg_core.evaluation.thresholds import Thresholds

__all__ = ["ClassResult", "Estimate", "Evaluation", "LeadSet", "evaluate_scores"]


@dataclass(frozen=True)
class ClassResult:
    """One class: its name, how many records carry it, and how well the scores find them."""

    name: str
    positives: int
    auroc: Estimate
    auprc: Estimate


@dataclass(frozen=True)
class LeadSet:
    """The model on some of its leads.

    Args:
        name: Of the set.
        leads: Which ones.
        how: ``"all"``, ``"zeros"`` (the others were set to zero) or ``"tokens"`` (the others were left out).
        auroc: Macro AUROC.
        auprc: Macro AUPRC.
    """

    name: str
    leads: tuple[str, ...]
    how: str
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
        micro_auroc: Of all classes in one ranking.
        micro_auprc: The same for AUPRC.
        decisions: F1, sensitivity, specificity and positive predictive value at thresholds chosen elsewhere.
        calibration: Whether probabilities come true; ``None`` of scores that are none.
        comparisons: Other models on the same records, floors first.
        subgroups: Parts of the records.
        lead_sets: The model on fewer leads.
        warnings: Sentences on what makes these numbers better than they would be elsewhere, such as records of this split
            that the encoder was pre-trained on.
        notes: Sentences on what could not be made.
    """

    per_class: tuple[ClassResult, ...]
    macro_auroc: Estimate
    macro_auprc: Estimate
    n_records: int
    n_patients: int | None
    level: float
    repeats: int
    seed: int
    micro_auroc: Estimate | None = None
    micro_auprc: Estimate | None = None
    decisions: Decisions | None = None
    calibration: Calibration | None = None
    comparisons: tuple[Comparison, ...] = ()
    subgroups: tuple[Subgroup, ...] = ()
    lead_sets: tuple[LeadSet, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes."""
        return tuple(result.name for result in self.per_class)

    @property
    def undefined(self) -> tuple[str, ...]:
        """Classes without a positive or without a negative record: they have no area and are left out of the means."""
        return tuple(result.name for result in self.per_class if math.isnan(result.auroc.value))

    def table(self) -> pd.DataFrame:
        """One row per class: class, positives, and each number with its ends: auroc, auroc_low, auroc_high, auprc, ….

        With decisions there are also threshold, f1, sensitivity, specificity and ppv.
        """
        rows: list[dict[str, Any]] = []
        for place, result in enumerate(self.per_class):
            row: dict[str, Any] = {"class": result.name, "positives": result.positives}
            numbers = {"auroc": result.auroc, "auprc": result.auprc}
            if self.decisions is not None:
                decided = self.decisions.per_class[place]
                row["threshold"] = math.nan if decided.threshold is None else decided.threshold
                numbers |= {name: getattr(decided, name) for name in ("f1", "sensitivity", "specificity", "ppv")}
            for name, number in numbers.items():
                row |= {name: number.value, f"{name}_low": number.low, f"{name}_high": number.high}
            rows.append(row)
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON; NaN becomes ``None``, and parts that were not made are absent."""
        stored: dict[str, Any] = {**pack(self), "n_patients": self.n_patients, "undefined": list(self.undefined)}
        return stored

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Evaluation:
        """The inverse of :meth:`to_dict`; files of earlier versions lack the later parts."""
        if stored.get("calibration") is not None:
            stored = {**stored, "calibration": stored_with_intervals(stored["calibration"])}
        return unpack(cls, stored)

    def __str__(self) -> str:
        return evaluation_text(self)

    def _repr_html_(self) -> str:
        from ecg_core.evaluation.notebook import evaluation_html

        return evaluation_html(self)


def evaluate_scores(
    targets: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    classes: Sequence[str],
    patients: Sequence[object] | npt.NDArray[np.generic] | None = None,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    thresholds: Thresholds | None = None,
    temperature: float | None = None,
    drawn: Resamples | None = None,
) -> Evaluation:
    """AUROC and AUPRC per class and on average, with patient-wise bootstrap intervals.

    Args:
        targets: ``(records, classes)`` of 0 and 1.
        scores: ``(records, classes)``, finite; higher means more likely. Probabilities are also judged as such.
        classes: One name per column.
        patients: ``(records,)`` whose record it is; unknown ones (``None``, NaN) count as a patient of their own each.
        repeats: Bootstrap repeats.
        level: Of the intervals.
        seed: Of the bootstrap.
        thresholds: From which score on a class is given, chosen on other records; F1 and its kin are judged with it.
        temperature: That the logits of the scores were divided by; it is noted.
        drawn: The areas under the same bootstrap, where they are known already.

    Raises:
        DataError: Arguments that do not fit.
    """
    truth, guess = check_scores(targets, scores)
    names = [classes] if isinstance(classes, str) else list(classes)
    if len(names) != truth.shape[1]:
        raise DataError(f"classes must name each of the {truth.shape[1]} score columns, got {len(names)} names")
    if len(set(names)) != len(names):
        raise DataError(f"class names must be unique, got {', '.join(sorted({n for n in names if names.count(n) > 1}))} twice")
    if thresholds is not None and thresholds.classes != tuple(names):
        raise DataError(f"thresholds are for the classes {', '.join(thresholds.classes)}, the scores for {', '.join(names)}")
    if drawn is None:
        drawn = bootstrap(truth, guess, patients=patients, repeats=repeats, seed=seed)
    together = micro_bootstrap(truth, guess, patients=patients, repeats=repeats, seed=seed)
    roc, pr = _estimates(auroc(truth, guess), drawn.auroc, level), _estimates(auprc(truth, guess), drawn.auprc, level)
    decisions = None
    if thresholds is not None:
        decisions = decide_and_score(truth, guess, thresholds, patients=patients, repeats=repeats, level=level, seed=seed)
    calibration = None
    if guess.min() >= 0 and guess.max() <= 1:
        words: dict[str, Any] = {"patients": patients, "repeats": repeats, "level": level, "seed": seed}
        calibration = calibrate_scores(truth, guess, classes=names, temperature=temperature, **words)
    return Evaluation(
        per_class=tuple(
            ClassResult(name, int(count), a, b) for name, count, a, b in zip(names, truth.sum(axis=0), roc, pr, strict=True)
        ),
        macro_auroc=macro_estimate(roc, drawn.auroc, level),
        macro_auprc=macro_estimate(pr, drawn.auprc, level),
        n_records=len(truth),
        n_patients=_count_patients(patients, len(truth)),
        level=level,
        repeats=repeats,
        seed=seed,
        micro_auroc=Estimate.of(micro_auroc(truth, guess), together.auroc[:, 0], level),
        micro_auprc=Estimate.of(micro_auprc(truth, guess), together.auprc[:, 0], level),
        decisions=decisions,
        calibration=calibration,
    )


def _count_patients(patients: Sequence[object] | npt.NDArray[np.generic] | None, records: int) -> int | None:
    """``None`` when no record's patient is known."""
    if patients is None or all(pd.isna(list(patients))):
        return None
    return int(clusters(patients, records).max()) + 1


def _estimates(values: Floats, drawn: Floats, level: float) -> list[Estimate]:
    return [Estimate.of(value, column, level) for value, column in zip(values, drawn.T, strict=True)]
