"""RecordTable: the facts of many recordings, one row each, and the recordings that were refused, with reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ecg_core.data.cells import age_of, as_tuple, classes_in, column_dtype, is_missing, sex_of, text_of, typed
from ecg_core.errors import DataError, MissingExtraError

__all__ = ["FACTS", "RecordTable", "need_pyarrow", "rows_of"]

# Columns with a meaning to the toolkit; every other column of lists is a target (a tuple of classes per record).
FACTS = (
    "record_id", "patient_id", "root", "path", "fs", "n_samples", "leads", "age", "sex", "split", "quality", "heart_rate"
)  # fmt: skip

# What a recording states itself; a labels file has no say in these.
_MEASURED = ("root", "path", "fs", "n_samples", "leads")
_PATHS = ("root", "path")


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
        frame = pd.DataFrame({name: pd.Series(values, dtype=column_dtype(values)) for name, values in columns.items()})
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
            tuples = [as_tuple(value) for value in values]
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
        nameless = [number for number, name in enumerate(labels["record_id"].tolist(), start=2) if is_missing(name)]
        if nameless:
            raise DataError(f"the labels file has no record_id in line {nameless[0]}; fill it in or remove the line")
        labels = labels.assign(record_id=pd.Series(labels["record_id"].map(text_of), dtype=object, index=labels.index))
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
            values = [None if is_missing(v) else v for v in joined[name].tolist()]
            if name == "age":
                added[name] = pd.Series([age_of(v, r) for v, r in zip(values, joined.index, strict=True)], dtype="float64")
            elif name == "sex":
                added[name] = pd.Series([sex_of(v, r) for v, r in zip(values, joined.index, strict=True)], dtype=object)
            elif name in FACTS:
                added[name] = pd.Series([None if v is None else text_of(v) for v in values], dtype=object)
            else:
                added[name] = pd.Series([classes_in(v) for v in values], dtype=object)
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
            texts = [None if is_missing(v) else str(v) for v in frame[name].tolist()]
            columns[name] = pd.Series([v or "" for v in texts], dtype=object) if name in _PATHS else typed(texts, name)
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

    def _repr_html_(self) -> str:
        from ecg_core.data.notebook import table_html

        return table_html(self)


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
