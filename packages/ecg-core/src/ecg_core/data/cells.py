"""Cells: what one value of a table of words means, whoever wrote the table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from ecg_core.errors import DataError

__all__ = ["TEXTS", "age_of", "as_tuple", "classes_in", "column_dtype", "is_missing", "sex_of", "text_of", "typed"]

TEXTS = ("record_id", "patient_id", "sex", "split")
"""Columns that stay text, whatever they look like."""

_SEX = {"f": "F", "female": "F", "m": "M", "male": "M"}


def typed(texts: Sequence[str | None], name: str) -> pd.Series:
    """A column of a CSV file with the type that :meth:`RecordTable.to_csv` wrote it from."""
    present = [text for text in texts if text is not None]
    if name in TEXTS or not present:
        return pd.Series(texts, dtype=object if name in TEXTS else "float64")
    if all(text.startswith("[") for text in present):
        return pd.Series([() if text is None else tuple(json.loads(text)) for text in texts], dtype=object)
    if set(present) <= {"True", "False"} and len(present) == len(texts):
        return pd.Series([text == "True" for text in texts], dtype=bool)
    try:
        if len(present) == len(texts) and all(re.fullmatch(r"-?\d{1,18}", text) for text in present):
            return pd.Series([int(text) for text in present], dtype="int64")
        return pd.Series([None if text is None else float(text) for text in texts], dtype="float64")
    except ValueError:
        return pd.Series(texts, dtype=object)


def column_dtype(values: Sequence[Any]) -> Any:
    """The type of a column of these values: numbers where all that are there are numbers, else objects."""
    present = [v for v in values if v is not None]
    if present and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present):
        return "int64" if len(present) == len(values) and all(isinstance(v, int) for v in present) else "float64"
    return object


def is_missing(value: Any) -> bool:
    """Whether a value says nothing: ``None``, ``NaN``, ``pandas.NA`` or blank text."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def as_tuple(value: Any) -> tuple[str, ...]:
    """A sequence of classes, a single class, or nothing, as a tuple."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return () if is_missing(value) else (str(value),)
    return tuple(value)


def text_of(value: Any) -> str:
    """A value as text, a whole number without its decimal point."""
    # A column of whole numbers with gaps is read, and written, as floats: 15709.0 is patient 15709.
    return re.sub(r"^(\d+)\.0$", r"\1", str(value).strip())


def classes_in(value: Any) -> tuple[str, ...]:
    """Classes separated by ``;``, each once."""
    return () if value is None else tuple(dict.fromkeys(part.strip() for part in text_of(value).split(";") if part.strip()))


def age_of(value: Any, record: str) -> float | None:
    """An age in years.

    Raises:
        DataError: It is no number.
    """
    try:
        return None if value is None else float(value)
    except ValueError:
        raise DataError(f"the labels file gives record {record!r} the age {value!r}; an age is a number of years") from None


def sex_of(value: Any, record: str) -> str | None:
    """``"F"``, ``"M"`` or ``None``.

    Raises:
        DataError: It is another word.
    """
    if value is None:
        return None
    if str(value).strip().casefold() not in _SEX:
        raise DataError(f"the labels file gives record {record!r} the sex {value!r}; a sex is F, M, female, male, or empty")
    return _SEX[str(value).strip().casefold()]
