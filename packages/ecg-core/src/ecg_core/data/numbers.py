"""Numbers: targets of a store that are amounts (an age, a heart rate, an interval) and not classes.

A store writes each target of a labels file as a tuple of texts. Such a target is numeric where each is one number or nothing;
facts that are numbers in the table themselves, such as ``age``, are targets of their own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from ecg_core.data.store import Store
from ecg_core.errors import DataError

__all__ = ["numbers_of"]

_FACTS = ("age", "heart_rate")


def numbers_of(store: Store, target: str) -> np.ndarray:
    """``(windows,)`` float64, NaN where a window has no label.

    Args:
        store: Of all splits.
        target: A target of the store whose labels are numbers, or one of the facts ``age`` and ``heart_rate``.

    Raises:
        DataError: There is no such target, a label is no number or several, or one is infinite.
    """
    table = store.table
    if target in store.targets:
        names = table["record_id"].tolist()
        found = [_number(value, target, name) for value, name in zip(table[target].tolist(), names, strict=True)]
    elif target in _FACTS and target in table.columns:
        found = pd.to_numeric(table[target], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan).tolist()
    else:
        known = ", ".join([*store.targets, *(name for name in _FACTS if name in table.columns)])
        raise DataError(f"{store.path} has no target {target!r}; its targets: {known or 'none: prepare with --labels FILE'}")
    values = np.array(found, dtype=np.float64)
    if infinite := int(np.isinf(values).sum()):
        raise DataError(f"target {target!r} is infinite in {infinite} window(s); correct or empty those labels")
    return values


def _number(value: tuple[Any, ...], target: str, record: str) -> float:
    if not value:
        return math.nan
    try:
        (text,) = value
        return float(text)
    except (TypeError, ValueError):
        raise DataError(
            f"problem=regression needs one number for each recording, and target {target!r} of {record!r} is "
            f"{';'.join(map(str, value))!r}; choose another target or another problem"
        ) from None
