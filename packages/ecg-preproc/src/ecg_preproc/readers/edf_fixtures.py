"""A small data set of EDF files for the contract kit."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ecg_core.data.record import Record
from ecg_preproc.readers.small_recordings import three_recordings

__all__ = ["edf_example", "write_edf"]


def edf_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.edf.EDFReader` states to the kit."""
    return {
        "fixture": three_recordings("e", 250.0, _write),
        "tolerance": 2e-4,  # mV: 16 bits of 10 mV
        "damages": {"an unknown unit": _unit, "a wrong number of data records": _records},
    }


def write_edf(record: Record, file: Path, *, labels: tuple[str, ...] | None = None, unit: str = "mV", **facts: Any) -> None:
    """Write a record as EDF+ with a range of 5 mV to each side; the duration must be a whole number of seconds."""
    from edfio import Edf, EdfSignal, Patient, Recording

    scale = {"mV": 1.0, "uV": 1000.0}[unit]
    span = (-5 * scale, 5 * scale)
    names = labels or tuple(f"ECG {lead}" for lead in record.leads)
    signals = [
        EdfSignal(row.astype(np.float64) * scale, record.fs, label=name, physical_dimension=unit, physical_range=span)
        for name, row in zip(names, record.signal, strict=True)
    ]
    begun = datetime.date(2020, 6, 1)
    born = None if record.age is None else datetime.date(2020 - int(record.age), 1, 1)
    patient = Patient(code=record.patient_id or "X", sex=record.sex or "X", birthdate=born)
    Edf(signals, patient=patient, recording=Recording(startdate=begun), **facts).write(file)


def _write(record: Record, path: Path, number: int) -> None:
    write_edf(record, path.with_suffix(".edf"), unit="uV" if number else "mV")


def _unit(folder: Path) -> str:
    file = folder / "e1.edf"
    file.write_bytes(file.read_bytes().replace(b"uV      ", b"mmHg    "))
    return "e1"


def _records(folder: Path) -> str:
    file = folder / "e1.edf"
    content = bytearray(file.read_bytes())
    content[236:244] = b"9       "
    file.write_bytes(bytes(content))
    return "e1"
