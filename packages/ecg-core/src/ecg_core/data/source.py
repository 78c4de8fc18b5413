"""A folder of recordings: which reader understands it, and the facts of what is in it, with labels joined."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import READERS
from ecg_core.errors import ComponentLoadError, DataError

if TYPE_CHECKING:
    from ecg_core.data.reader import Reader

__all__ = ["choose_reader", "scan"]


def choose_reader(path: Path, name: str = "auto") -> Reader:
    """The named reader, or the one that recognises the folder (the most specific layout first, ``wfdb`` last)."""
    if not path.exists():
        raise DataError(f"{path} does not exist; give a folder of recordings")
    if name != "auto":
        return READERS.build(name)
    broken = ""
    for candidate in sorted(READERS.names(), key=lambda n: (n == "wfdb", n)):
        try:
            reader = READERS.build(candidate)
        except ComponentLoadError as error:  # one broken plugin must not stop the others
            broken = f". {error}"
            continue
        if reader.recognises(path):
            return reader
    raise DataError(
        f"no reader recognises {path}; expected e.g. WFDB headers (*.hea) below it. Readers: {', '.join(READERS.names())}{broken}"
    )


def scan(
    path: Path, *, reader: str = "auto", labels: Path | None = None, patient: str | None = None
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
