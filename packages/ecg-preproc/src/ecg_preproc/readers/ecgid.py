"""ECGIDReader: the ECG-ID Database, recordings of the same persons days and months apart.

Data: Lugovaya 2005, "Biometric human identification based on ECG", on PhysioNet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError
from ecg_preproc.readers.annotations import BeatAnnotations
from ecg_preproc.readers.comments import facts_of
from ecg_preproc.readers.row import read_row
from ecg_preproc.readers.scan import find_records

__all__ = ["ECGIDReader"]

# The raw signal, and the same one filtered by the authors. Both are lead I.
_LEADS = {"ECG I": "I", "ECG I filtered": "I filtered"}
_PERSON_RE = re.compile(r"Person_\d+")


class ECGIDReader(Reader):
    """Reads ECG-ID: 20 s of lead I at 500 Hz, raw (``I``) and as filtered by the authors (``I filtered``).

    ``patient_id`` is the folder of the person, ``Person_01``; ``record_id`` is the path, ``Person_01/rec_1``. R and T peaks of
    about ten beats were found automatically and not corrected: read them with ``annotations=True``, as ``r_peaks`` and
    ``event/t``.

    Args:
        annotations: Read the unaudited annotations too.
        checksum: Compare every signal with its header's checksum. ``False`` reads altered data.
    """

    def __init__(self, *, annotations: bool = False, checksum: bool = True) -> None:
        self.annotations = annotations
        self.checksum = checksum

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.fixtures import ecgid_example

        return ecgid_example()

    def recognises(self, path: Path) -> bool:
        """Whether there are folders of persons, ``Person_01``, with records in them, ``rec_1``."""
        return bool(_headers(Path(path)))

    def scan(self, path: Path) -> RecordTable:
        """Facts of every record, by person and number; damaged ones are rejects.

        Raises:
            DataError: The folder does not exist or holds no record of this database.
        """
        root = Path(path)
        headers = _headers(root)
        if not headers:
            raise DataError(f"{root}: no records Person_01/rec_1.hea … in it; give the folder of ECG-ID")
        found, rejects = find_records(root, headers, beside=("atr",) if self.annotations else ())
        rows = []
        for record in found:
            facts = facts_of(record.header.comments)
            rows.append(
                {
                    "record_id": record.path,
                    "patient_id": record.path.partition("/")[0],
                    **record.row(root),
                    "leads": _named(record.header.leads),
                    "age": facts.age,
                    "sex": facts.sex,
                }
            )
        return RecordTable.from_rows(rows, rejects)

    def read(self, row: Mapping[str, Any]) -> Record:
        """The record of one row: float32 mV, with its facts."""
        return self._read(row, None)

    def read_part(self, row: Mapping[str, Any], start: int, stop: int) -> Record:
        """Samples ``start`` up to ``stop`` of one row's record; the checksum of the whole is not verified."""
        return self._read(row, (start, stop))

    def _read(self, row: Mapping[str, Any], span: tuple[int, int] | None) -> Record:
        annotate = BeatAnnotations("atr") if self.annotations else None
        record = read_row(row, checksum=self.checksum, span=span, annotate=annotate)
        return replace(record, leads=_named(record.leads))


def _named(leads: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_LEADS.get(lead, lead) for lead in leads)


def _headers(root: Path) -> list[str]:
    """Headers of the database below ``root``, by person and number."""
    found = [header for header in root.glob("Person_*/rec_*.hea") if _PERSON_RE.fullmatch(header.parent.name)]
    return [
        header.relative_to(root).as_posix()
        for header in sorted(found, key=lambda header: (header.parent.name, len(header.stem), header.stem))
    ]
