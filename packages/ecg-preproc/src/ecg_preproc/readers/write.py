"""Write one Record as WFDB: a header, a signal file in format 16, checksums, and its facts as comments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecg_core.data.record import Record
from ecg_core.errors import DataError

__all__ = ["write_record"]

_NAME_RE = re.compile(r"[A-Za-z0-9_-]{1,200}")  # what the standard (and every reader) takes as a record name
_INVALID = -32768  # "no sample here" in format 16
_SEX = {"F": "Female", "M": "Male"}


def write_record(record: Record, folder: str | Path, *, gain: float = 1000.0, comments: Sequence[str] = ()) -> Path:
    """Write ``folder/<record_id>.hea`` and ``.dat``; existing files of that name are replaced.

    ``age``, ``sex``, ``patient_id`` and ``labels["dx"]`` become the comments ``# Age:``, ``# Sex:``, ``# Patient:`` and
    ``# Dx:``, so that :class:`~ecg_preproc.readers.wfdb.WFDBReader` gives them back. NaN is written as the
    standard's invalid sample.

    Args:
        record: Its ``record_id`` names the files: letters, digits, ``_`` and ``-``.
        folder: Must exist.
        gain: ADC units per mV; 1000 resolves 1 µV and reaches ±32.767 mV.
        comments: Further comment lines, without ``#``.

    Returns:
        The path of the header.

    Raises:
        DataError: The name is not one, a sample does not fit 16 bits, or a text would break the header.
    """
    name = record.record_id
    if not _NAME_RE.fullmatch(name):
        raise DataError(f"record_id must be letters, digits, '_' and '-' to be a WFDB record name, got {name!r}")
    if not (np.isfinite(gain) and gain > 0):
        raise DataError(f"gain must be a positive number of ADC units per mV, got {gain!r}")
    digital = _digitise(record, gain)
    sums = np.add.reduce(digital, axis=1, dtype=np.int16).tolist()
    lines = [f"{name} {len(record.leads)} {_number(record.fs)} {record.n_samples}"]
    for lead, first, total in zip(record.leads, digital[:, 0].tolist(), sums, strict=True):
        lines.append(f"{name}.dat 16 {_number(gain)}(0)/mV 16 0 {first} {total} 0 {lead}")
    lines += [f"# {comment}" for comment in (*_facts(record), *comments)]
    if any(len(line.splitlines()) != 1 for line in lines):
        raise DataError(f"record {name!r}: lead names and comments must be single lines")
    folder = Path(folder)
    # The signal first: a header always stands for a record that is there.
    (folder / f"{name}.dat").write_bytes(np.ascontiguousarray(digital.T).astype("<i2", copy=False).tobytes())
    header = folder / f"{name}.hea"
    header.write_bytes(("\n".join(lines) + "\n").encode())
    return header


def _digitise(record: Record, gain: float) -> np.ndarray:
    if record.n_samples == 0:
        raise DataError(f"record {record.record_id!r} has no samples; there is nothing to write")
    scaled = record.signal.astype(np.float64) * gain
    missing = np.isnan(scaled)
    digital = np.rint(np.where(missing, _INVALID, scaled))
    outside = ~missing & (np.abs(digital) > 32767)
    if outside.any():
        lead = record.leads[int(np.argmax(outside.any(axis=1)))]
        raise DataError(
            f"record {record.record_id!r}: lead {lead} leaves ±{32767 / gain:g} mV, all that 16 bits hold at a gain of {gain:g}; "
            "write with a smaller gain"
        )
    return digital.astype(np.int16)


def _facts(record: Record) -> list[str]:
    facts = []
    if record.age is not None:
        facts.append(f"Age: {_number(record.age)}")
    if record.sex is not None:
        facts.append(f"Sex: {_SEX[record.sex]}")
    if record.patient_id is not None:
        facts.append(f"Patient: {record.patient_id}")
    if "dx" in record.labels:
        facts.append(f"Dx: {','.join(record.labels['dx'])}")
    return facts


def _number(value: float) -> str:
    # repr keeps every digit; whole numbers are written the way people write them.
    return str(int(value)) if float(value).is_integer() else repr(float(value))
