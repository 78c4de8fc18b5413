"""Patient-wise splits: the same patient never stands in two of them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import pandas as pd

from ecg_core.errors import DataError, LeakError

__all__ = ["SPLITS", "check_no_leak", "parse_ratio", "split_by_patient"]

SPLITS = ("train", "val", "test")


def parse_ratio(text: str) -> tuple[float, float, float]:
    """``"8/1/1"`` as shares of train, val and test."""
    try:
        parts = [float(part) for part in text.split("/")]
    except ValueError:
        parts = []
    if len(parts) != 3 or not all(math.isfinite(part) and part >= 0 for part in parts) or parts[0] == 0:
        raise DataError(f"a split is train/val/test such as 8/1/1, got {text!r}")
    return parts[0] / sum(parts), parts[1] / sum(parts), parts[2] / sum(parts)


def split_by_patient(
    patients: Sequence[str], ratio: tuple[float, float, float], *, strata: Sequence[str] | None = None, seed: int = 0
) -> list[str]:
    """A split name per record.

    Patients are put in an order that depends only on their name and the seed, stratum by stratum, and dealt out so that
    every stratum comes as close to the ratio as whole patients allow.

    Args:
        patients: Patient of each record.
        ratio: Shares of train, val and test.
        strata: A group per record, such as its rarest class; a patient belongs to the first of them by name.
        seed: Another seed gives another split.
    """
    frame = pd.DataFrame({"patient": list(patients), "stratum": list(strata) if strata is not None else ""})
    first = frame.sort_values("stratum", kind="stable").drop_duplicates("patient")
    order = sorted(zip(first["stratum"], first["patient"], strict=True), key=lambda sp: (sp[0], _rank(sp[1], seed)))
    records = frame["patient"].value_counts()
    total = dict.fromkeys(SPLITS, 0.0)
    chosen: dict[str, str] = {}
    for _, patient in order:
        dealt = sum(total.values()) + records[patient]
        # The split that lags furthest behind its share takes the next patient.
        lag = {name: share * dealt - total[name] for name, share in zip(SPLITS, ratio, strict=True) if share > 0}
        name = max(lag, key=lambda n: lag[n])
        chosen[patient] = name
        total[name] += records[patient]
    return [chosen[patient] for patient in frame["patient"]]


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


def _rank(patient: str, seed: int) -> str:
    return hashlib.blake2b(f"{seed}:{patient}".encode(), digest_size=8).hexdigest()
