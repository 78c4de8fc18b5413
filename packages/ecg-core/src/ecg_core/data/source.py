"""A folder of recordings: which reader understands it, and the facts of what is in it, with labels joined."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import READERS
from ecg_core.errors import ComponentLoadError, DataError

if TYPE_CHECKING:
    from ecg_core.data.reader import Reader

__all__ = ["choose_reader", "scan"]


def choose_reader(path: Path, name: str | Mapping[str, Any] = "auto") -> Reader:
    """The named reader, or the least general one that recognises the folder.

    Layouts of data sets come before file formats, and these before arrays of numbers (:attr:`Reader.generality`); within one
    level ``wfdb`` comes first, then the others by name.

    Raises:
        DataError: The folder does not exist, no reader recognises it, or two data sets are laid out like it.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; give a folder of recordings")
    if name != "auto":
        return READERS.build(name)
    readers, broken = [], ""
    for candidate in sorted(READERS.names(), key=lambda n: (n != "wfdb", n)):
        try:
            readers.append((candidate, READERS.build(candidate)))
        except ComponentLoadError as error:  # one broken plugin must not stop the others
            broken = f". {error}"
    readers.sort(key=lambda named: named[1].generality)  # a stable sort, which keeps the names in order
    layouts = {candidate: reader for candidate, reader in readers if reader.generality < 1 and reader.recognises(path)}
    if len(layouts) > 1:  # two meanings of its labels: to take either would be a guess
        named, options = " and ".join(map(repr, layouts)), " or ".join(f"--reader {candidate}" for candidate in layouts)
        raise DataError(f"{path} is laid out as the readers {named} expect; choose one of them with {options}")
    others = (reader for _, reader in readers if reader.generality >= 1 and reader.recognises(path))
    chosen = next(chain(layouts.values(), others), None)
    if chosen is None:
        expected = "expected e.g. WFDB headers (*.hea) below it"
        raise DataError(f"no reader recognises {path}; {expected}. Readers: {', '.join(READERS.names())}{broken}")
    return chosen


def scan(
    path: Path, *, reader: str | Mapping[str, Any] = "auto", labels: Path | None = None, patient: str | None = None
) -> tuple[Reader, RecordTable]:
    """The reader of a folder and the facts it finds, with labels joined."""
    chosen = choose_reader(path, reader)
    table = chosen.scan(path)
    if labels is None and patient is not None:
        if patient not in table.frame.columns:
            raise DataError(f"there is no column {patient!r} (--patient); give it with --labels FILE")
        table = table.with_columns(patient_id=[None if pd.isna(p) else str(p) for p in table.frame[patient].tolist()])
    if labels is not None:
        if not labels.is_file():
            raise DataError(f"the labels file {labels} does not exist")
        try:
            # As text: 007 is not 7, neither as a patient nor as a class.
            lines = pd.read_csv(labels, dtype=str)
        except ValueError as error:
            raise DataError(f"the labels file {labels} cannot be read as CSV ({error})") from None
        table = table.join_labels(lines, patient=patient)
    return chosen, table
