"""One row of a scanned table becomes one Record, or a part of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ecg_core.data.record import Record
from ecg_core.data.table import FACTS
from ecg_core.errors import DataError, MissingExtraError
from ecg_preproc.readers.files import below, check_inside, read_bytes
from ecg_preproc.readers.header import MAX_HEADER_BYTES, Header, parse_header
from ecg_preproc.readers.segments import open_recording, read_recording
from ecg_preproc.readers.signal import read_signal

__all__ = ["Annotate", "Opened", "read_header", "read_row"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A record whose header was read, for those who look for its annotations.

    Args:
        record: Its path, without suffix.
        root: Folder that no file may leave.
        header: Parsed header.
        n_samples: Samples per lead.
    """

    record: str
    root: str
    header: Header
    n_samples: int


# From a record to positions on its time axis by name, see ecg_preproc.readers.annotations.
Annotate = Callable[[Opened], Mapping[str, np.ndarray]]


def read_row(
    row: Mapping[str, Any],
    *,
    checksum: bool = True,
    span: tuple[int, int] | None = None,
    annotate: Annotate | None = None,
) -> Record:
    """Read the WFDB record of one table row.

    Args:
        row: ``root`` and ``path`` (below it, without suffix) lead to the record; ``record_id``, ``patient_id``, ``age`` and
            ``sex`` become its facts, and every other column that holds a tuple becomes a target.
        checksum: Compare every signal with its header's checksum.
        span: First sample, and the one after the last; ``None`` reads all. Of a part no checksum is compared.
        annotate: Finds its annotations.

    Returns:
        The record, ``(leads, samples)`` float32 in mV.

    Raises:
        DataError: The record is damaged, or the span leaves it; the message names the header.
        MissingExtraError: Its format needs the ``wfdb`` package.
    """
    root = str(row["root"])
    record = below(root, str(row["path"]))
    file = record + ".hea"
    try:
        if (folder := os.path.dirname(file)) != root:
            check_inside(folder, root)
        header = parse_header(read_bytes(file, root, limit=MAX_HEADER_BYTES))
        signal: np.ndarray
        if header.segments:
            recording = open_recording(header, record, root)
            header, signal = recording.header, read_recording(recording, root, span=span, checksum=checksum)
        else:
            signal = read_signal(header, record, root, span=span, checksum=checksum)
        found: Mapping[str, np.ndarray] = {}
        if annotate is not None:
            n_samples = signal.shape[1] if span is None else read_header(root, str(row["path"]))[1]
            found = annotate(Opened(record, root, header, n_samples))
    except DataError as error:
        raise DataError(f"{file}: {error}") from None
    except MissingExtraError as error:
        raise MissingExtraError(f"{file}: {error}") from None
    return Record(
        signal=signal,
        fs=header.fs,
        leads=header.leads,
        record_id=str(row.get("record_id") or row["path"]),
        patient_id=_known(row.get("patient_id")),
        age=_known(row.get("age")),
        sex=_known(row.get("sex")),
        labels={name: value for name, value in row.items() if name not in FACTS and isinstance(value, tuple)},
        annotations=found if span is None else {name: _within(positions, *span) for name, positions in found.items()},
        source=file,
    )


def read_header(root: str | os.PathLike[str], record: str) -> tuple[Header, int]:
    """Parse the header of ``root/record.hea`` and compare it with the sizes of its files.

    Args:
        root: Folder of the data set, which no file may leave.
        record: Path of the record below it, without suffix.

    Returns:
        The header, and the samples per lead. Of a multi-segment record, ``leads`` are those of all segments.

    Raises:
        DataError: The record is damaged; the message names the header.
    """
    stem = os.path.join(root, record)
    try:
        header = parse_header(read_bytes(stem + ".hea", os.fspath(root), limit=MAX_HEADER_BYTES))
        recording = open_recording(header, stem, os.fspath(root))
        return recording.header, recording.n_samples
    except DataError as error:
        raise DataError(f"{stem}.hea: {error}") from None


def _within(positions: np.ndarray, start: int, stop: int) -> np.ndarray:
    return positions[(positions >= start) & (positions < stop)] - start


def _known(value: Any) -> Any:
    # Missing values come as None, NaN or pandas.NA, depending on the column and on where the table was stored.
    return None if pd.isna(value) else value
