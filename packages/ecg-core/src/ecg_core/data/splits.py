"""Patient-wise splits, by shares or by folds: the same patient never stands in two of them."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Sequence

import pandas as pd

from ecg_core.data.stratification import deal
from ecg_core.errors import DataError, LeakError

__all__ = [
    "SPLITS",
    "check_no_leak",
    "folds_by_patient",
    "numbered_folds",
    "parse_folds",
    "parse_ratio",
    "split_by_patient",
    "split_of_folds",
]

SPLITS = ("train", "val", "test")

_FOLDS_RE = re.compile(r"(\d{1,4})-fold")


def parse_ratio(text: str) -> tuple[float, float, float]:
    """``"8/1/1"`` as shares of train, val and test."""
    try:
        parts = [float(part) for part in text.split("/")]
    except ValueError:
        parts = []
    if len(parts) != 3 or not all(math.isfinite(part) and part >= 0 for part in parts) or parts[0] == 0:
        raise DataError(f"a split is train/val/test such as 8/1/1, got {text!r}")
    return parts[0] / sum(parts), parts[1] / sum(parts), parts[2] / sum(parts)


def parse_folds(text: str) -> int | None:
    """``"5-fold"`` as a number of folds; ``None`` for anything else."""
    found = _FOLDS_RE.fullmatch(text.strip())
    if found and int(found[1]) < 3:
        raise DataError(f"folds serve as train, val and test, so there are at least 3, got {text!r}")
    return int(found[1]) if found else None


def split_by_patient(
    patients: Sequence[str],
    ratio: tuple[float, float, float],
    *,
    labels: Sequence[Sequence[Hashable]] | None = None,
    seed: int = 0,
) -> list[str]:
    """A split name per record, every class shared out as far as whole patients allow.

    Args:
        patients: Patient of each record.
        ratio: Shares of train, val and test.
        labels: Classes of each record; see :func:`ecg_core.data.stratification.deal`.
        seed: Another seed gives another split.
    """
    return [SPLITS[part] for part in deal(patients, ratio, labels=labels, seed=seed)]


def folds_by_patient(
    patients: Sequence[str], count: int, *, labels: Sequence[Sequence[Hashable]] | None = None, seed: int = 0
) -> list[int]:
    """A fold number (0 … count - 1) per record, folds of equal size and equal classes as far as whole patients allow."""
    return deal(patients, [1 / count] * count, labels=labels, seed=seed)


def split_of_folds(folds: Sequence[int], count: int, test: int) -> list[str]:
    """A split name per record when fold ``test`` tests: the fold before it validates, the others train.

    With the last of ten folds this is the division that PTB-XL recommends.
    """
    if not 0 <= test < count:
        raise DataError(f"there are folds 0 to {count - 1}, got fold {test}")
    role = {test: "test", (test - 1) % count: "val"}
    return [role.get(fold, "train") for fold in folds]


def numbered_folds(values: Sequence[object], column: str) -> list[int]:
    """Folds that a column names, as 0 … count - 1 in the order of their numbers or names.

    Raises:
        DataError: A record has no fold, or there are fewer than three.
    """
    names = [value[0] if isinstance(value, tuple) and len(value) == 1 else value for value in values]
    missing = [name for name in names if name is None or name == () or (isinstance(name, float) and name != name)]
    if missing:
        raise DataError(f"{len(missing)} of {len(names)} records have no value in the column {column!r}; give a fold to each")
    if len({str(name) for name in names}) < 3:
        raise DataError(
            f"the column {column!r} names {len({str(n) for n in names})} fold(s), expected at least 3 (to train, validate, test)"
        )
    order = {name: i for i, name in enumerate(sorted({str(name) for name in names}, key=_natural))}
    return [order[str(name)] for name in names]


def check_no_leak(frame: pd.DataFrame) -> None:
    """Refuse a table in which a patient stands in two splits.

    Raises:
        LeakError: Names the patient, the splits and the records.
    """
    known = frame[frame["patient_id"].notna()]
    counts = known.groupby("patient_id")["split"].nunique()
    leaked = counts[counts > 1]
    if len(leaked):
        patient = leaked.index[0]
        rows = known[known["patient_id"] == patient]
        where = ", ".join(f"{r} in {s}" for r, s in zip(rows["record_id"].head(3), rows["split"].head(3), strict=True))
        raise LeakError(
            f"{len(leaked)} patient(s) stand in more than one split, e.g. {patient}: {where}; "
            "give all records of a patient the same split, or drop the split column and use --split 8/1/1"
        )
    strange = sorted(set(frame["split"].dropna()) - set(SPLITS))
    if strange:
        raise DataError(f"a split is one of {', '.join(SPLITS)}, got {', '.join(map(str, strange))} in the split column")


def _natural(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return math.inf, text
