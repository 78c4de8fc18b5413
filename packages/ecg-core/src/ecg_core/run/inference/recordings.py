"""Recordings: those of a folder, or one by its path, as a reader finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.source import choose_reader, scan
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError, ECGError

__all__ = ["each_answer", "find_record", "table_of"]

T = TypeVar("T")

_REFUSALS = (ECGError, OSError, ValueError)  # one recording that cannot be used does not stop the others


def find_record(path: Path, reader: str = "auto") -> Record:
    """One recording by its path, with or without suffix, or by its name in a folder.

    Raises:
        DataError: There is none of this name.
    """
    chosen, table = table_of(path, reader)
    return chosen.read(next(table.rows()))


def table_of(path: Path, reader: str = "auto") -> tuple[Reader, RecordTable]:
    """A reader, and the recordings of a folder or the one at a path.

    Raises:
        DataError: There is none of this name.
    """
    if path.is_dir():
        return scan(path, reader=reader)
    stem = path.with_suffix("") if path.suffix in (".hea", ".dat", ".mat") else path
    if not stem.parent.is_dir():
        raise DataError(f"{path} does not exist; give a folder of recordings or the path of one without its suffix")
    chosen = choose_reader(stem.parent, reader)
    table = chosen.scan(stem.parent)
    here = table.frame["path"].map(lambda p: Path(p).name == stem.name and Path(p).parent == Path("."))
    if not here.any():  # some data sets keep their recordings in folders, and call them by name
        here = table.frame["record_id"] == stem.name
    if not here.any():
        refused = [r["reason"] for r in table.rejects.to_dict("records") if Path(str(r["path"])).stem == stem.name]
        raise DataError(str(refused[0]) if refused else f"there is no recording {stem.name!r} in {stem.parent}")
    return chosen, RecordTable(table.frame[here])


def each_answer(
    source: Path, reader: str, answer: Callable[[Reader, Mapping[str, Any]], T]
) -> Iterator[tuple[int, int, str, T | str]]:
    """Number, total, path, and the answer for a recording of a source or the reason why there is none."""
    chosen, table = table_of(source, reader)
    total = len(table) + len(table.rejects)
    for refused in table.rejects.to_dict("records"):
        yield 0, total, str(refused["path"]), str(refused["reason"])
    for number, row in enumerate(table.rows()):
        try:
            yield number, total, row["path"], answer(chosen, row)
        except _REFUSALS as error:
            yield number, total, row["path"], str(error)
