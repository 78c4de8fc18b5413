"""Subgroups: the same numbers for the young and the old, women and men, and every source, each with its own interval.

A mean over all hides whom it was earned on. Groups are as wide as they are, not chosen by what comes out; a group too small to
say anything is named and not scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecg_core.errors import DataError
from ecg_core.evaluation.bootstrap import bootstrap
from ecg_core.evaluation.estimate import Estimate, macro_estimate
from ecg_core.evaluation.metrics import auroc, check_scores

__all__ = ["LEAST_RECORDS", "Subgroup", "age_bands", "score_subgroups"]

LEAST_RECORDS = 20
_LEAST_OF_EACH = 5  # positive and negative records of a class, for its area to count
_MOST_GROUPS = 12
_BANDS = ((40.0, "< 40 years"), (60.0, "40 to 59 years"), (80.0, "60 to 79 years"), (np.inf, "80 years and over"))


@dataclass(frozen=True)
class Subgroup:
    """A part of the records.

    Args:
        attribute: By which the records were parted, e.g. ``"sex"``.
        name: Of the part.
        records: How many.
        positives: Labels among them, over all classes.
        auroc: Mean over the classes with at least five positive and five negative records; ``None`` where there is none or
            the part is too small.
        classes: Names of those classes. Two groups that differ in them are not comparable.
        note: Why it was not scored.
    """

    attribute: str
    name: str
    records: int
    positives: int
    auroc: Estimate | None = None
    classes: tuple[str, ...] = ()
    note: str = ""


def age_bands(ages: Sequence[float | None]) -> list[str | None]:
    """Each age in years as its band; ``None`` where it is unknown.

    Example:
        >>> age_bands([39.9, 40, 80, None])
        ['< 40 years', '40 to 59 years', '80 years and over', None]
    """
    years = [float("nan") if age is None else float(age) for age in ages]
    return [next((name for end, name in _BANDS if age < end), None) for age in years]


def score_subgroups(
    targets: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: Mapping[str, Sequence[str | None]],
    *,
    classes: Sequence[str],
    patients: Sequence[object] | None = None,
    repeats: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Subgroup, ...]:
    """Macro AUROC of every group of every attribute.

    Args:
        targets: ``(records, classes)`` of 0 and 1.
        scores: ``(records, classes)``.
        groups: Per attribute one group name per record, ``None`` where it is unknown. An attribute that nobody knows gives
            nothing; unknown records of another one are a group that is named and not scored.
        classes: One name per column.
        patients: ``(records,)`` whose record it is.
        repeats: Bootstrap repeats.
        level: Of the intervals.
        seed: Of the bootstrap.

    Raises:
        DataError: Arguments that do not fit.
    """
    truth, guess = check_scores(targets, scores)
    whose = None if patients is None else np.array(list(patients), dtype=object)
    found = []
    for attribute, names in groups.items():
        if len(names) != len(truth):
            raise DataError(f"{attribute} must name one group per record, got {len(names)} names for {len(truth)} records")
        column = np.array([name or "" for name in names], dtype=object)
        for name in _ordered(names):
            here = np.flatnonzero(column == name)
            counts = truth[here].sum(axis=0)
            enough = np.flatnonzero((counts >= _LEAST_OF_EACH) & (len(here) - counts >= _LEAST_OF_EACH))
            group = Subgroup(attribute, name, len(here), int(counts.sum()))
            if len(here) < LEAST_RECORDS:
                found.append(_unscored(group, f"fewer than {LEAST_RECORDS} records"))
                continue
            if not len(enough):
                found.append(_unscored(group, f"no class with {_LEAST_OF_EACH} positive and {_LEAST_OF_EACH} negative records"))
                continue
            part, given = truth[np.ix_(here, enough)], guess[np.ix_(here, enough)]
            drawn = bootstrap(part, given, patients=None if whose is None else whose[here], repeats=repeats, seed=seed).auroc
            values = [Estimate.of(v, d, level) for v, d in zip(auroc(part, given), drawn.T, strict=True)]
            scored = tuple(classes[int(c)] for c in enough)
            macro = macro_estimate(values, drawn, level)
            found.append(Subgroup(attribute, name, len(here), int(counts.sum()), macro, scored))
        unknown = np.flatnonzero(column == "")
        if 0 < len(unknown) < len(column):
            found.append(Subgroup(attribute, "unknown", len(unknown), int(truth[unknown].sum()), note="the store does not say"))
    return tuple(found)


def _ordered(names: Sequence[str | None]) -> list[str]:
    """Groups in order of age or of name, the largest ones where there are many."""
    present = {name for name in names if name}
    bands = [name for _, name in _BANDS if name in present]
    counts = {name: sum(other == name for other in names) for name in present}
    return bands or sorted(sorted(present, key=lambda name: -counts[name])[:_MOST_GROUPS])


def _unscored(group: Subgroup, note: str) -> Subgroup:
    return Subgroup(group.attribute, group.name, group.records, group.positives, note=note)
