"""MITDBReader: the MIT-BIH Arrhythmia Database with its beats by AAMI class and the division that the literature uses.

Data: Moody and Mark 2001, "The impact of the MIT-BIH Arrhythmia Database", IEEE Eng. in Med. and Biol. 20(3):45-50.
Division: de Chazal et al. 2004, IEEE Trans. Biomed. Eng. 51(7):1196-1206, table II: DS1 to train with, DS2 to test with, and the
four records with paced beats left out, as EC57 recommends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError
from ecg_preproc.readers.annotations import BeatAnnotations
from ecg_preproc.readers.row import read_row
from ecg_preproc.readers.scan import Found, find_records

__all__ = ["DS1", "DS2", "PACED", "MITDBReader"]

DS1 = frozenset(map(str, (
    101, 106, 108, 109, 112, 114, 115, 116, 118, 119, 122, 124, 201, 203, 205, 207, 208, 209, 215, 220, 223, 230,
)))  # fmt: skip
DS2 = frozenset(map(str, (
    100, 103, 105, 111, 113, 117, 121, 123, 200, 202, 210, 212, 213, 214, 219, 221, 222, 228, 231, 232, 233, 234,
)))  # fmt: skip
PACED = frozenset(("102", "104", "107", "217"))
_RECORDS = DS1 | DS2 | PACED

# Records 201 and 202 are of one man, and the division puts them on both sides.
_SAME_MAN = {"202": "201"}

# The first comment of a header: "# 43 M 1878 356 x1". An age of -1 is unknown.
_PATIENT_RE = re.compile(r"(-?\d+) ([MF])\b.*")


class MITDBReader(Reader):
    """Reads the MIT-BIH Arrhythmia Database with its reference annotations.

    The split is the division of de Chazal et al.: DS1 is ``train``, DS2 is ``test``. Refused, with the reason, are the four
    records with paced beats, which belong to neither, and 202: it is of the same patient as 201, which is in DS1.
    There is no ``val``: where one is needed, split by patient anew (``--split 8/1/1``).
    Annotations are called as :mod:`ecg_preproc.readers.annotations` says: ``r_peaks``, ``beat/V``, ``rhythm/AFIB`` …

    Args:
        beats: Beats are called by their ``"aami"`` classes (N, S, V, F, Q) or by their ``"mit"`` symbols.
        paced: Read the records with paced beats too. They have no split.
        leak: Read record 202 too, as a patient of its own, to compare with results of the literature, which do.
        checksum: Compare every signal with its header's checksum. ``False`` reads altered data.

    Raises:
        DataError: ``beats`` is neither of the two.
    """

    def __init__(
        self, *, beats: Literal["aami", "mit"] = "aami", paced: bool = False, leak: bool = False, checksum: bool = True
    ) -> None:
        self.beats = beats
        self.paced = paced
        self.leak = leak
        self.checksum = checksum
        self._annotate = BeatAnnotations("atr", beats)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.fixtures import mitdb_example

        return mitdb_example()

    def recognises(self, path: Path) -> bool:
        """Whether all headers of the folder bear names of this database, and one has reference annotations beside it."""
        names = {header.stem for header in Path(path).glob("*.hea")}
        return bool(names) and names <= _RECORDS and any((Path(path) / f"{name}.atr").is_file() for name in names)

    def scan(self, path: Path) -> RecordTable:
        """Facts of every record, by name; paced ones, 202 and damaged ones are rejects.

        Raises:
            DataError: The folder does not exist or holds no record of this database.
        """
        root = Path(path)
        names = sorted(header.name for header in root.glob("*.hea") if header.stem in _RECORDS)
        if not names:
            raise DataError(f"{root}: no record of the MIT-BIH Arrhythmia Database (100.hea …) in it; give the folder of them")
        refused = {name: reason for name in names if (reason := self._refusal(name.removesuffix(".hea")))}
        found, rejects = find_records(root, [name for name in names if name not in refused], beside=("atr",))
        return RecordTable.from_rows([_row(record, root) for record in found], sorted([*refused.items(), *rejects]))

    def read(self, row: Mapping[str, Any]) -> Record:
        """The record of one row: float32 mV, with its annotations."""
        return read_row(row, checksum=self.checksum, annotate=self._annotate)

    def read_part(self, row: Mapping[str, Any], start: int, stop: int) -> Record:
        """Samples ``start`` up to ``stop`` of one row's record; the checksum of the whole is not verified."""
        return read_row(row, checksum=self.checksum, span=(start, stop), annotate=self._annotate)

    def _refusal(self, name: str) -> str | None:
        if name in PACED and not self.paced:
            return f"record {name} has paced beats, which AAMI EC57 leaves out; read it with paced=True"
        if name in _SAME_MAN and not self.leak:
            other = _SAME_MAN[name]
            return f"record {name} is of the same patient as {other}, which is in the other half; read it with leak=True"
        return None


def _row(record: Found, root: Path) -> dict[str, Any]:
    found = _PATIENT_RE.fullmatch(record.header.comments[0]) if record.header.comments else None
    return {
        "record_id": record.path,
        "patient_id": record.path,
        **record.row(root),
        "age": float(found[1]) if found and int(found[1]) >= 0 else None,
        "sex": found[2] if found else None,
        "split": "train" if record.path in DS1 else "test" if record.path in DS2 else None,
    }
