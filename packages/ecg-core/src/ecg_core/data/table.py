"""RecordTable: the facts of many recordings, one row each, and the recordings that were refused, with reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ecg_core.errors import DataError, MissingExtraError

__all__ = ["FACTS", "RecordTable"]

# Columns with a meaning to the toolkit; every other column of lists is a target (a tuple of classes per record).
FACTS = ("record_id", "patient_id", "root", "path", "fs", "n_samples", "leads", "age", "sex", "split")


@dataclass(frozen=True)
class RecordTable:
    """Facts of many recordings.

    Args:
        frame: One row per recording. Columns of :data:`FACTS` (``record_id``, ``root`` and ``path`` are required;
            ``leads`` holds tuples) and any number of target columns, each holding a tuple of classes per row.
        rejects: What was found and refused: columns ``path`` and ``reason``.

    Raises:
        DataError: A required column is absent or a ``record_id`` stands twice.
    """

    frame: pd.DataFrame
    rejects: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"path": [], "reason": []}, dtype=object))

    def __post_init__(self) -> None:
        missing = [name for name in ("record_id", "root", "path") if name not in self.frame.columns]
        if missing:
            raise DataError(f"a record table needs the columns record_id, root and path; {', '.join(missing)} is absent")
        twice = self.frame["record_id"][self.frame["record_id"].duplicated()]
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
        names = list(self.frame.columns)
        for values in zip(*(self.frame[name].tolist() for name in names), strict=True):
            yield dict(zip(names, values, strict=True))

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the target columns."""
        return tuple(
            name for name in self.frame.columns if name not in FACTS and self.frame[name].map(lambda v: isinstance(v, tuple)).all()
        )

    def with_columns(self, **columns: Any) -> RecordTable:
        """The table with these columns added or replaced."""
        return RecordTable(self.frame.assign(**columns), self.rejects)

    def join_labels(self, labels: pd.DataFrame, *, patient: str | None = None) -> RecordTable:
        """The table with a labels file joined on ``record_id``.

        Every other column becomes a fact (``patient_id``, ``age``, ``sex``, ``split``) or a target, whose classes are
        separated by ``;``. Recordings without a line get empty targets.

        Args:
            labels: Must hold ``record_id``.
            patient: Column that holds the patient; becomes ``patient_id``.

        Raises:
            DataError: A label names a recording that was neither found nor refused, or a column is absent.
        """
        if "record_id" not in labels.columns:
            raise DataError(f"the labels file needs a column record_id, got {', '.join(map(str, labels.columns))}")
        if patient is not None and patient not in labels.columns:
            raise DataError(f"the labels file has no column {patient!r} (--patient); it has {', '.join(map(str, labels.columns))}")
        labels = labels.assign(record_id=labels["record_id"].astype(str))
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
            labels = labels.rename(columns={patient: "patient_id"})
        joined = labels.set_index("record_id").reindex(self.frame["record_id"])
        added: dict[str, Any] = {}
        for name in joined.columns:
            values = joined[name].tolist()
            if name == "age":
                added[name] = pd.Series([None if _is_missing(v) else float(v) for v in values], dtype="float64")
            elif name in FACTS:
                added[name] = pd.Series([None if _is_missing(v) else _plain_id(v) for v in values], dtype=object)
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
        ids = {"record_id": str, "patient_id": object, "split": object, "root": str, "path": str}
        frame = pd.read_csv(path, dtype=ids, keep_default_na=True)
        for name in frame.columns:
            values = frame[name].tolist()
            if any(isinstance(v, str) and v.startswith("[") for v in values) and all(
                _is_missing(v) or str(v).startswith("[") for v in values
            ):
                frame[name] = pd.Series([() if _is_missing(v) else tuple(json.loads(v)) for v in values], dtype=object)
            elif name in ("patient_id", "split", "sex"):
                frame[name] = pd.Series([None if _is_missing(v) else str(v) for v in values], dtype=object)
        return cls(frame)

    def to_parquet(self, path: str | Path) -> None:
        """Write the rows as Parquet (needs pyarrow); lists stay lists."""
        _need_pyarrow()
        self.frame.to_parquet(path, index=False)

    @classmethod
    def read_parquet(cls, path: str | Path) -> RecordTable:
        """Read what :meth:`to_parquet` wrote."""
        _need_pyarrow()
        frame = pd.read_parquet(path)
        for name in frame.columns:
            values = frame[name].tolist()
            if values and all(hasattr(v, "tolist") for v in values):
                frame[name] = pd.Series([tuple(v.tolist()) for v in values], dtype=object)
        return cls(frame)


def _need_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise MissingExtraError("Parquet needs pyarrow: pip install pyarrow; or write CSV instead") from None


def _dtype(values: Sequence[Any]) -> Any:
    present = [v for v in values if v is not None]
    if present and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present):
        return "int64" if len(present) == len(values) and all(isinstance(v, int) for v in present) else "float64"
    return object


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value) or value is pd.NA or value == ""


def _plain_id(value: Any) -> str:
    # A patient column with gaps is read as floats: 15709.0 is patient 15709.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _classes(value: Any) -> tuple[str, ...]:
    if _is_missing(value):
        return ()
    return tuple(dict.fromkeys(part.strip() for part in str(_plain_id(value)).split(";") if part.strip()))
