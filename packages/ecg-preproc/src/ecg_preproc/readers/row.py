"""One row of a scanned table becomes one Record."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ecg_core.data.record import Record
from ecg_core.data.table import FACTS
from ecg_core.errors import DataError
from ecg_preproc.readers.files import below, check_inside, read_bytes
from ecg_preproc.readers.header import parse_header
from ecg_preproc.readers.signal import read_signal

__all__ = ["MAX_HEADER_BYTES", "read_row"]

# The longest header we met has 40 signals and 2 kB.
MAX_HEADER_BYTES = 1 << 20


def read_row(row: Mapping[str, Any], *, checksum: bool = True) -> Record:
    """Read the WFDB record of one table row.

    Args:
        row: ``root`` and ``path`` (below it, without suffix) lead to the record; ``record_id``, ``patient_id``, ``age`` and
            ``sex`` become its facts, and every other column that holds a tuple becomes a target.
        checksum: Compare every signal with its header's checksum.

    Returns:
        The record, ``(leads, samples)`` float32 in mV.

    Raises:
        DataError: The record is damaged; the message names the header.
    """
    root = str(row["root"])
    file = below(root, f"{row['path']}.hea")
    folder = os.path.dirname(file)
    try:
        check_inside(folder, root)
        header = parse_header(read_bytes(file, root, limit=MAX_HEADER_BYTES))
        signal = read_signal(header, folder, root, checksum=checksum)
    except DataError as error:
        raise DataError(f"{file}: {error}") from None
    return Record(
        signal=signal,
        fs=header.fs,
        leads=header.leads,
        record_id=str(row.get("record_id") or row["path"]),
        patient_id=_known(row.get("patient_id")),
        age=_known(row.get("age")),
        sex=_known(row.get("sex")),
        labels={name: value for name, value in row.items() if name not in FACTS and isinstance(value, tuple)},
        source=file,
    )


def _known(value: Any) -> Any:
    # Missing values come as None, NaN or pandas.NA, depending on the column and on where the table was stored.
    return None if pd.isna(value) else value
