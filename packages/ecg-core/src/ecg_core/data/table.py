"""RecordTable: the facts of many recordings, one row each, and the recordings that were refused, with reasons."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ecg_core.errors import DataError, MissingExtraError

__all__ = ["FACTS", "RecordTable", "need_pyarrow", "rows_of"]

# Columns with a meaning to the toolkit; every other column of lists is a target (a tuple of classes per record).
FACTS = (
    "record_id", "patient_id", "root", "path", "fs", "n_samples", "leads", "age", "sex", "split", "quality", "heart_rate"
)  # fmt: skip

# What a recording states itself; a labels file has no say in these.
_MEASURED = ("root", "path", "fs", "n_samples", "leads")
_PATHS = ("root", "path")
_TEXTS = ("record_id", "patient_id", "sex", "split")
_SEX = {"f": "F", "female": "F", "m": "M", "male": "M"}


@dataclass(frozen=True)
class RecordTable:
    """Facts of many recordings.

    Args:
        frame: One row per recording. Columns of :data:`FACTS` (``record_id``, ``root`` and ``path`` are required;
            ``leads`` holds tuples) and any number of target columns, each holding a tuple of classes per row.
        rejects: What was found and refused: columns ``path`` and ``reason``.

    Raises:
        DataError: A required column is absent or a ``record_id`` stands twice (in a table of windows: with the same ``segment``).
    """

    frame: pd.DataFrame
    rejects: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"path": [], "reason": []}, dtype=object))

    def __post_init__(self) -> None:
        missing = [name for name in ("record_id", "root", "path") if name not in self.frame.columns]
        if missing:
            raise DataError(f"a record table needs the columns record_id, root and path; {', '.join(missing)} is absent")
        # A store's table has a row per window: there a recording may stand once per segment.
        name = [column for column in ("record_id", "segment") if column in self.frame.columns]
        twice = self.frame["record_id"][self.frame.duplicated(name)]
        if len(twice):
            raise DataError(f"record_id must be unique; {twice.iloc[0]!r} stands {1 + int((twice == twice.iloc[0]).sum())} times")

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, Any]], rejects: Sequence[tuple[str, str]] = ()) -> RecordTable:
        """A table from one mapping per recording and ``(path, reason)`` pairs."""
        names = list(dict.fromkeys(name for row in rows for name in row)) or ["record_id", "root", "path"]
        columns = {name: [row.get(name) for row in rows] for name in names}
        frame = pd.DataFrame({name: pd.Series(values, dtype=_dtype(values)) for name, values in columns.items()})
        refused = pd.DataFrame({"path": [p for p, _ in rejects], "reason": [r for _, r in rejects]}, dtype=object)
        return cls(frame, refused)

    def __len__(self) -> int:
        return len(self.frame)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each recording as a plain dictionary, in order; the form :meth:`Reader.read` takes."""
        return rows_of(self.frame)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the target columns."""
        return tuple(
            name
            for name in self.frame.columns
            if name not in FACTS and self.frame[name].map(lambda v: isinstance(v, tuple)).all()
        )

    def with_columns(self, **columns: Any) -> RecordTable:
        """The table with these columns added or replaced."""
        return RecordTable(self.frame.assign(**columns), self.rejects)

    def with_targets(self, **targets: Sequence[Any]) -> RecordTable:
        """The table with these target columns added or replaced, each as tuples of classes in a column of objects.

        Args:
            targets: Per target one value for each recording: a sequence of classes, a single class, or nothing (``None``,
                ``NaN``, ``""``), which becomes the empty tuple.

        Raises:
            DataError: There are more or fewer values than recordings.
        """
        added = {}
        for name, values in targets.items():
            values = list(values)
            if len(values) != len(self):
                raise DataError(f"the target {name!r} has {len(values)} values for {len(self)} recordings; give one each")
            tuples = [_as_tuple(value) for value in values]
            added[name] = pd.Series(tuples, dtype=object, index=self.frame.index)
        return self.with_columns(**added)

    def join_labels(self, labels: pd.DataFrame, *, patient: str | None = None) -> RecordTable:
        """The table with a labels file joined on ``record_id``.

        Every other column becomes a fact (``patient_id``, ``age``, ``sex``, ``split``) or a target, whose classes are
        separated by ``;``. Recordings without a line get empty targets. Columns of what the recordings state themselves
        (``path``, ``fs``, ``n_samples``, ``leads``) are left aside.

        Args:
            labels: Must hold ``record_id``.
            patient: Column that holds the patient; becomes ``patient_id``.

        Raises:
            DataError: A label names a recording that was neither found nor refused, a column is absent, or a line has no
                ``record_id``, an age that is no number, or a sex that is neither female nor male.
        """
        if "record_id" not in labels.columns:
            raise DataError(f"the labels file needs a column record_id, got {', '.join(map(str, labels.columns))}")
        if patient is not None and patient not in labels.columns:
            there = ", ".join(map(str, labels.columns))
            raise DataError(f"the labels file has no column {patient!r} (--patient); it has {there}")
        nameless = [number for number, name in enumerate(labels["record_id"].tolist(), start=2) if _is_missing(name)]
        if nameless:
            raise DataError(f"the labels file has no record_id in line {nameless[0]}; fill it in or remove the line")
        labels = labels.assign(record_id=pd.Series(labels["record_id"].map(_text), dtype=object, index=labels.index))
        if labels["record_id"].duplicated().any():
            name = labels["record_id"][labels["record_id"].duplicated()].iloc[0]
            raise DataError(f"the labels file has two lines for record {name!r}; keep one")
        refused = set(self.rejects["path"].map(lambda p: Path(str(p)).with_suffix("").as_posix()))
        refused |= {Path(p).name for p in refused}
        known = set(self.frame["record_id"])
        unknown = [name for name in labels["record_id"] if name not in known and name not in refused]
        if unknown:
            raise DataError(
                f"the labels file names {len(unknown)} record(s) that are not in the folder: {', '.join(unknown[:3])}"
                f"{', …' if len(unknown) > 3 else ''}; correct the record_id column or add the recordings"
            )
        if patient is not None and patient != "patient_id":
            labels = labels.drop(columns="patient_id", errors="ignore").rename(columns={patient: "patient_id"})
        joined = labels.set_index("record_id").reindex(self.frame["record_id"]).drop(columns=list(_MEASURED), errors="ignore")
        added: dict[str, Any] = {}
        for name in joined.columns:
            values = [None if _is_missing(v) else v for v in joined[name].tolist()]
            if name == "age":
                added[name] = pd.Series([_age(v, r) for v, r in zip(values, joined.index, strict=True)], dtype="float64")
            elif name == "sex":
                added[name] = pd.Series([_sex(v, r) for v, r in zip(values, joined.index, strict=True)], dtype=object)
            elif name in FACTS:
                added[name] = pd.Series([None if v is None else _text(v) for v in values], dtype=object)
            else:
                added[name] = pd.Series([_classes(v) for v in values], dtype=object)
        frame = self.frame.reset_index(drop=True).assign(**added)
        return RecordTable(frame, self.rejects)

    def to_csv(self, path: str | Path) -> None:
        """Write the rows as CSV; tuples are written as JSON lists, so that :meth:`read_csv` gives them back."""
        encoded = self.frame.copy()
        for name in encoded.columns:
            if encoded[name].map(lambda v: isinstance(v, tuple)).any():
                values = [json.dumps(list(v)) if isinstance(v, tuple) else "" for v in encoded[name].tolist()]
                encoded[name] = pd.Series(values, dtype=object, index=encoded.index)
        encoded.to_csv(path, index=False)

    @classmethod
    def read_csv(cls, path: str | Path) -> RecordTable:
        """Read what :meth:`to_csv` wrote."""
        # As text: which numbers a text stands for is decided here, and a float comes back as the one that was written.
        # Only an empty field is missing: a patient may be called "NA".
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
        columns = {}
        for name in frame.columns:
            texts = [None if _is_missing(v) else str(v) for v in frame[name].tolist()]
            columns[name] = pd.Series([v or "" for v in texts], dtype=object) if name in _PATHS else _typed(texts, name)
        frame = pd.DataFrame(columns, index=frame.index)
        return cls(frame)

    def to_parquet(self, path: str | Path) -> None:
        """Write the rows as Parquet (needs pyarrow); lists stay lists."""
        need_pyarrow()
        self.frame.to_parquet(path, index=False)

    @classmethod
    def read_parquet(cls, path: str | Path) -> RecordTable:
        """Read what :meth:`to_parquet` wrote."""
        need_pyarrow()
        frame = pd.read_parquet(path)
        for name in frame.columns:
            # Under pandas' Arrow-backed strings a list comes back as an array of NumPy, whatever went in.
            values = frame[name].tolist()
            if values and all(hasattr(v, "tolist") for v in values):
                frame[name] = pd.Series([tuple(v.tolist()) for v in values], dtype=object)
        return cls(frame)


def rows_of(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Each row of a frame as a plain dictionary, in order."""
    names = list(frame.columns)
    for values in zip(*(frame[name].tolist() for name in names), strict=True):
        yield dict(zip(names, values, strict=True))


def need_pyarrow() -> None:
    """One clear error where Parquet cannot be read or written.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise MissingExtraError("Parquet needs pyarrow: pip install pyarrow; or write CSV instead") from None


def _typed(texts: Sequence[str | None], name: str) -> pd.Series:
    """A column of a CSV file with the type that :meth:`RecordTable.to_csv` wrote it from."""
    present = [text for text in texts if text is not None]
    if name in _TEXTS or not present:
        return pd.Series(texts, dtype=object if name in _TEXTS else "float64")
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


def _dtype(values: Sequence[Any]) -> Any:
    present = [v for v in values if v is not None]
    if present and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present):
        return "int64" if len(present) == len(values) and all(isinstance(v, int) for v in present) else "float64"
    return object


def _is_missing(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def _as_tuple(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return () if _is_missing(value) else (str(value),)
    return tuple(value)


def _text(value: Any) -> str:
    # A column of whole numbers with gaps is read, and written, as floats: 15709.0 is patient 15709.
    return re.sub(r"^(\d+)\.0$", r"\1", str(value).strip())


def _classes(value: Any) -> tuple[str, ...]:
    return () if value is None else tuple(dict.fromkeys(part.strip() for part in _text(value).split(";") if part.strip()))


def _age(value: Any, record: str) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        raise DataError(f"the labels file gives record {record!r} the age {value!r}; an age is a number of years") from None


def _sex(value: Any, record: str) -> str | None:
    if value is None:
        return None
    if str(value).strip().casefold() not in _SEX:
        raise DataError(f"the labels file gives record {record!r} the sex {value!r}; a sex is F, M, female, male, or empty")
    return _SEX[str(value).strip().casefold()]
