"""LUDBReader: the Lobachevsky University Database, whose waves were delineated by hand in each of twelve leads.

Data: Kalyakulina et al. 2020, "LUDB: A New Open-Access Validation Tool for Electrocardiogram Delineation Algorithms",
IEEE Access 8:186181-186190.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ecg_core.data.leads import STANDARD_12
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError
from ecg_preproc.readers.annotation_file import read_annotations
from ecg_preproc.readers.annotations import delineation, positions_in_samples
from ecg_preproc.readers.comments import facts_of
from ecg_preproc.readers.row import Opened, read_row
from ecg_preproc.readers.scan import find_records

__all__ = ["LUDBReader"]

# The annotations of a lead are in a file with its name as extension: 1.ii, 1.avr, 1.v5.
_EXTENSIONS = tuple(lead.lower() for lead in STANDARD_12)
_RHYTHM, _AXIS, _DIAGNOSES = "rhythm", "axis", "diagnoses"
_STATED = {"Rhythm": _RHYTHM, "Electric axis of the heart": _AXIS}


class LUDBReader(Reader):
    """Reads LUDB: 200 recordings of 200 persons, 10 s at 500 Hz, with P, QRS and T in every lead.

    Annotations are called as :mod:`ecg_preproc.readers.annotations` says: ``wave/p_on/II``, ``wave/qrs_peak/V1``,
    ``wave/t_off/aVR`` …; ``r_peaks`` are the QRS peaks of lead II. The first and the last beat of a recording are not annotated,
    by design of the data.

    Targets, in the words of the headers: ``rhythm`` (``"Sinus bradycardia"``), ``axis`` (``"left axis deviation"``) and
    ``diagnoses`` (all other statements, ``"Ischemia: lateral wall"``).

    Args:
        checksum: Compare every signal with its header's checksum. ``False`` reads altered data.
    """

    def __init__(self, *, checksum: bool = True) -> None:
        self.checksum = checksum

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.fixtures import ludb_example

        return ludb_example()

    def recognises(self, path: Path) -> bool:
        """Whether a header of the folder, or of ``data`` in it, has a file of annotations for each of the twelve leads."""
        header = next(iter(_headers(Path(path))), None)
        return header is not None and all(header.with_suffix(f".{extension}").is_file() for extension in _EXTENSIONS)

    def scan(self, path: Path) -> RecordTable:
        """Facts and targets of every record, by number; damaged ones are rejects.

        Raises:
            DataError: The folder does not exist or holds no record with annotations of twelve leads.
        """
        root = Path(path)
        headers = [header.relative_to(root).as_posix() for header in _headers(root)]
        if not headers:
            raise DataError(f"{root}: no WFDB header (*.hea) in it or in its folder 'data'; give the folder of LUDB")
        found, rejects = find_records(root, headers, beside=_EXTENSIONS)
        if not found:
            raise DataError(f"{root}: no record of LUDB can be read, the first because {rejects[0][1]}")
        rows = []
        for record in found:
            name = record.path.rpartition("/")[2]
            facts = facts_of(record.header.comments)
            rows.append(
                {
                    "record_id": name,
                    "patient_id": name,
                    **record.row(root),
                    "age": facts.age,
                    "sex": facts.sex,
                    **_targets(record.header.comments),
                }
            )
        return RecordTable.from_rows(rows, rejects)

    def read(self, row: Mapping[str, Any]) -> Record:
        """The record of one row: float32 mV, with its delineation and targets."""
        return read_row(row, checksum=self.checksum, annotate=_waves)

    def read_part(self, row: Mapping[str, Any], start: int, stop: int) -> Record:
        """Samples ``start`` up to ``stop`` of one row's record; the checksum of the whole is not verified."""
        return read_row(row, checksum=self.checksum, span=(start, stop), annotate=_waves)


def _headers(root: Path) -> list[Path]:
    """Headers in the folder or in ``data`` below it, by number."""
    found = list(root.glob("*.hea")) or list((root / "data").glob("*.hea"))
    return sorted(found, key=lambda header: (len(header.stem), header.stem))


def _waves(opened: Opened) -> Mapping[str, np.ndarray]:
    waves: dict[str, np.ndarray] = {}
    for lead, extension in zip(STANDARD_12, _EXTENSIONS, strict=True):
        found = read_annotations(f"{opened.record}.{extension}", opened.root)
        header = opened.header
        positions = positions_in_samples(found, fs=header.fs, per_frame=header.per_frame, n_samples=opened.n_samples)
        waves |= delineation(found, positions, lead=lead)
    return {"r_peaks": waves.get("wave/qrs_peak/II", np.zeros(0, dtype=np.int64)), **waves}


def _targets(comments: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The statements below ``<diagnoses>:``."""
    said: dict[str, list[str]] = {_RHYTHM: [], _AXIS: [], _DIAGNOSES: []}
    for comment in comments:
        statement = comment.rstrip(". ")
        if statement.startswith("<") or not statement:
            continue
        kind, _, what = statement.partition(": ")
        if kind in _STATED:
            said[_STATED[kind]].append(what)
        else:
            said[_DIAGNOSES].append(statement)
    return {target: tuple(dict.fromkeys(statements)) for target, statements in said.items()}
