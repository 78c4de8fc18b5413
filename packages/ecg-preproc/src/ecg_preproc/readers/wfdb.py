"""WFDBReader: any folder of WFDB records (PhysioNet's .hea with .dat or .mat), searched through all its subfolders."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError
from ecg_preproc.readers.annotations import BeatAnnotations
from ecg_preproc.readers.comments import facts_of
from ecg_preproc.readers.row import read_row
from ecg_preproc.readers.scan import find_records, headers_below

__all__ = ["WFDBReader"]


class WFDBReader(Reader):
    """Reads any folder of WFDB records, multi-segment ones too, and the ``.mat`` files of the PhysioNet/CinC Challenges.

    Formats 16, 24, 32, 61, 80, 160 and 212 are decoded here; 8, 310, 311 and the compressed 508, 516 and 524 through the
    ``wfdb`` package (``pip install 'ecg-preproc[wfdb]'``). Signals with several samples per frame keep all of them when all
    signals have as many: the record is read at the sampling frequency of the samples, not of the frames. When they differ,
    each is averaged over the frame, so that all have one time axis; a mean over an invalid sample is NaN.

    ``age``, ``sex``, ``patient_id`` and the target ``dx`` come from header comments such as ``# Age: 63``. A record's name is
    its file's when no two files share one, else its path below the folder.

    Args:
        checksum: Compare every signal with its header's checksum. ``False`` reads altered data.
        annotations: Extension of the annotation files to read, such as ``"atr"``; a record without one is then refused.
            :mod:`ecg_preproc.readers.annotations` says what annotations are called.
        beats: Beats are called by their ``"mit"`` symbols or by their ``"aami"`` classes.

    Raises:
        DataError: ``annotations`` is no extension, or ``beats`` neither of the two.

    Example:
        >>> WFDBReader(checksum=False).arguments
        {'checksum': False}
    """

    generality = 1

    def __init__(self, *, checksum: bool = True, annotations: str | None = None, beats: Literal["mit", "aami"] = "mit") -> None:
        self.checksum = checksum
        self.annotations = annotations
        self.beats = beats
        checked = BeatAnnotations("atr" if annotations is None else annotations, beats)
        self._annotate = None if annotations is None else checked

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.fixtures import wfdb_example

        return wfdb_example()

    def recognises(self, path: Path) -> bool:
        """Whether a header lies below this folder."""
        return next(headers_below(Path(path)), None) is not None

    def scan(self, path: Path) -> RecordTable:
        """Facts of every record below ``path``, sorted by path. Headers are parsed and file sizes compared; no signal is decoded.

        The segments of a multi-segment record are parts of it, and not listed as records of their own.

        Raises:
            DataError: The folder does not exist or holds no header.
        """
        root = Path(path)
        names = sorted(headers_below(root))
        if not names:
            what = "no such folder" if not root.is_dir() else "no WFDB header (*.hea) in it or below it"
            raise DataError(f"{root}: {what}; give a folder of WFDB records")
        stems = [Path(name).stem for name in names]
        unique = len(set(stems)) == len(stems)
        beside = () if self.annotations is None else (self.annotations,)
        found, rejects = find_records(root, names, beside=beside)
        rows = []
        for record in found:
            facts = facts_of(record.header.comments)
            rows.append(
                {
                    "record_id": posixpath.basename(record.path) if unique else record.path,
                    "patient_id": facts.patient_id,
                    **record.row(root),
                    "age": facts.age,
                    "sex": facts.sex,
                    "dx": facts.dx,
                }
            )
        if all(row["dx"] is None for row in rows):
            for row in rows:
                del row["dx"]
        else:
            for row in rows:
                row["dx"] = row["dx"] or ()
        return RecordTable.from_rows(rows, rejects)

    def read(self, row: Mapping[str, Any]) -> Record:
        """The record of one row: float32 mV, with the row's facts and targets."""
        return read_row(row, checksum=self.checksum, annotate=self._annotate)

    def read_part(self, row: Mapping[str, Any], start: int, stop: int) -> Record:
        """Samples ``start`` up to ``stop`` of one row's record, for which no other bytes of its signal files are read.

        A checksum is that of all samples, so that of a part cannot be verified.
        """
        return read_row(row, checksum=self.checksum, span=(start, stop), annotate=self._annotate)
