"""PTBXLReader: the official layout of PTB-XL, with its diagnostic, form and rhythm statements as targets.

Data: Wagner et al. 2020, "PTB-XL, a large publicly available electrocardiography dataset", Scientific Data 7:154.
Targets and folds: Strodthoff et al. 2020, "Deep Learning for ECG Analysis", IEEE JBHI 25(5): every statement counts, whatever
its likelihood; folds 1-8 train, 9 validation, 10 test.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError
from ecg_preproc.readers.files import below, check_inside
from ecg_preproc.readers.row import read_header, read_row
from ecg_preproc.readers.scan import tell_left_out
from ecg_preproc.readers.scp import NO_STATEMENTS, parse_codes, read_statements

__all__ = ["PTBXLReader"]

_DATABASE, _STATEMENTS, _LABELS = "ptbxl_database*.csv", "scp_statements.csv", "ptbxl_labels.csv"
_SPLIT: dict[Any, str] = {**dict.fromkeys(range(1, 9), "train"), 9: "val", 10: "test"}
_SEX: dict[Any, str] = {0: "M", 1: "F"}
# Columns of ptbxl_labels.csv that hold our targets.
_LABEL_COLUMNS = {"superclass": "super_class", "subclass": "sub_class", "form": "form", "rhythm": "rhythm"}


class PTBXLReader(Reader):
    """Reads PTB-XL. ``record_id`` is the ``ecg_id``, the same at both sampling frequencies.

    Targets: ``superclass`` (NORM, MI, STTC, CD, HYP), ``subclass``, ``diagnostic``, ``form``, ``rhythm`` and ``scp_codes`` (all).
    A record that only ``ptbxl_labels.csv`` describes has no ``diagnostic`` and no ``scp_codes``; in a folder without
    ``scp_statements.csv``, which gives the codes their meaning, that holds for all.

    Args:
        fs: Which of the two versions is read, in Hz.
        checksum: Compare every signal with its header's checksum. ``False`` reads altered data.
        statements: Where ``scp_statements.csv`` is when the folder of the data has none.

    Raises:
        DataError: ``fs`` is neither 100 nor 500.
    """

    def __init__(self, *, fs: Literal[100, 500] = 100, checksum: bool = True, statements: str | None = None) -> None:
        if fs not in (100, 500):
            raise DataError(f"PTB-XL comes at 100 and 500 Hz, got fs={fs!r}; read one of them and resample")
        self.fs = fs
        self.checksum = checksum
        self.statements = statements

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.fixtures import ptbxl_example

        return ptbxl_example()

    def recognises(self, path: Path) -> bool:
        """Whether the folder has a ``ptbxl_database*.csv``: its patients must not be lost by reading it as anything else."""
        return any(Path(path).glob(_DATABASE))

    def scan(self, path: Path) -> RecordTable:
        """Facts and targets of every record in the tables, by ``ecg_id``; those whose files are absent or damaged are rejects.

        Raises:
            DataError: A table is absent or malformed, a code has no statement, or no recording is there.
        """
        root = Path(path)
        coded = self._statements(root).is_file() or not (root / _LABELS).is_file()
        described = _tables(root, coded=coded)
        statements = read_statements(self._statements(root)) if coded else NO_STATEMENTS
        rows, rejects, safe, left_out = [], [], set(), []
        for fields in described.to_dict("records"):
            record = _file(fields, self.fs)
            try:
                codes = None if fields["official"] is not True else parse_codes(fields["scp_codes"])
                folder = os.path.dirname(below(root, record))
                if folder not in safe:
                    check_inside(folder, root)
                    safe.add(folder)
                header, n_samples = read_header(root, record)
                if header.fs != self.fs:
                    raise DataError(f"{root / record}.hea: sampled at {header.fs:g} Hz, expected {self.fs} Hz; restore the file")
            except DataError as error:
                rejects.append((f"{record}.hea", str(error)))
                continue
            left_out.append((record, header.left_out))
            found = {"path": record, "fs": header.fs, "n_samples": n_samples, "leads": header.leads}
            labels = {target: fields.get(column) for target, column in _LABEL_COLUMNS.items()}
            targets = statements.labelled(**labels) if codes is None else statements.targets(codes)
            rows.append({**_facts(fields), "root": str(root), **found, **targets})
        if not rows:
            why = f"the first because {rejects[0][1]}" if rejects else "the tables are empty"
            raise DataError(f"{root}: no record of the tables can be read at {self.fs} Hz, {why}")
        tell_left_out(left_out)
        return RecordTable.from_rows(rows, rejects)

    def read(self, row: Mapping[str, Any]) -> Record:
        """The record of one row: float32 mV, with the row's facts and targets."""
        return read_row(row, checksum=self.checksum)

    def read_part(self, row: Mapping[str, Any], start: int, stop: int) -> Record:
        """Samples ``start`` up to ``stop`` of one row's record; the checksum of the whole is not verified."""
        return read_row(row, checksum=self.checksum, span=(start, stop))

    def _statements(self, root: Path) -> Path:
        return Path(self.statements) if self.statements is not None else root / _STATEMENTS


def _tables(root: Path, *, coded: bool) -> pd.DataFrame:
    """One row for each record that a table describes, by ``ecg_id``; ``coded`` says that SCP codes can be understood."""
    paths = sorted(root.glob(_DATABASE))
    if not paths:
        raise DataError(f"{root}: no {_DATABASE}, expected the layout of PTB-XL; give the folder that holds this table")
    official = pd.concat([_read(table, "scp_codes") for table in paths], ignore_index=True).assign(official=coded)
    twice = official["ecg_id"][official["ecg_id"].duplicated()]
    if len(twice):
        names = ", ".join(table.name for table in paths)
        raise DataError(f"{root}: ecg_id {twice.iloc[0]} stands more than once in {names}; keep one row of each record")
    described = official
    if (root / _LABELS).is_file():
        labels = _read(root / _LABELS, *_LABEL_COLUMNS.values())
        rest = labels[~labels["ecg_id"].isin(official["ecg_id"])]
        if not coded:
            official = official.merge(labels[["ecg_id", *_LABEL_COLUMNS.values()]], on="ecg_id", how="left")
        described = pd.concat([official, rest], ignore_index=True)
    return described.sort_values("ecg_id")


def _read(path: Path, *columns: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a CSV table ({error}); copy it again") from None
    missing = [name for name in ("ecg_id", "patient_id", "strat_fold", "filename_lr", *columns) if name not in table.columns]
    if missing:
        raise DataError(f"{path}: the column {missing[0]!r} is absent, expected a table of PTB-XL; copy it again")
    for name in ("ecg_id", "patient_id", "strat_fold", "age", "sex"):
        if name in table.columns and not (pd.api.types.is_numeric_dtype(table[name]) or table[name].isna().all()):
            raise DataError(f"{path}: the column {name!r} holds words, expected numbers; copy it again")
    if not pd.api.types.is_integer_dtype(table["ecg_id"]) and len(table):
        raise DataError(f"{path}: a row has no ecg_id; copy it again")
    return table


def _file(fields: Mapping[Any, Any], fs: int) -> str:
    low, high = str(fields["filename_lr"]), fields.get("filename_hr")
    if fs == 100:
        return low
    # The label table has no column for 500 Hz; the layout has the same tree twice.
    return high if isinstance(high, str) else low.replace("records100/", "records500/", 1).removesuffix("_lr") + "_hr"


def _facts(fields: Mapping[Any, Any]) -> dict[str, Any]:
    patient, fold = fields["patient_id"], fields["strat_fold"]
    age: Any = fields.get("age")
    return {
        "record_id": str(fields["ecg_id"]),
        "patient_id": None if pd.isna(patient) else str(int(patient)),
        # PTB-XL hides ages above 89 as 300. They are kept, as the youngest they can be.
        "age": None if pd.isna(age) else 90.0 if age == 300 else float(age),
        "sex": _SEX.get(fields.get("sex")),
        "split": _SPLIT.get(fold),
    }
