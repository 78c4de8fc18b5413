"""WFDBReader: any folder of WFDB records (PhysioNet's .hea with .dat or .mat), searched through all its subfolders."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError
from ecg_preproc.readers.comments import facts_of
from ecg_preproc.readers.row import read_header, read_row

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

    Example:
        >>> WFDBReader(checksum=False).arguments
        {'checksum': False}
    """

    def __init__(self, *, checksum: bool = True) -> None:
        self.checksum = checksum

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.fixtures import wfdb_example

        return wfdb_example()

    def recognises(self, path: Path) -> bool:
        """Whether a header lies below this folder."""
        return next(_headers(Path(path)), None) is not None

    def scan(self, path: Path) -> RecordTable:
        """Facts of every record below ``path``, sorted by path. Headers are parsed and file sizes compared; no signal is decoded.

        The segments of a multi-segment record are parts of it, and not listed as records of their own.

        Raises:
            DataError: The folder does not exist or holds no header.
        """
        root = Path(path)
        found = sorted(_headers(root))
        if not found:
            what = "no such folder" if not root.is_dir() else "no WFDB header (*.hea) in it or below it"
            raise DataError(f"{root}: {what}; give a folder of WFDB records")
        stems = [Path(name).stem for name in found]
        unique = len(set(stems)) == len(stems)
        rows, rejects = [], []
        parts: set[str] = set()  # of multi-segment records
        for name, stem in zip(found, stems, strict=True):
            record = name.removesuffix(".hea")
            try:
                header, n_samples = read_header(root, record)
            except DataError as error:
                rejects.append((name, str(error)))
                continue
            parts.update(posixpath.join(posixpath.dirname(record), segment.name) for segment in header.segments)
            facts = facts_of(header.comments)
            rows.append(
                {
                    "record_id": stem if unique else record,
                    "patient_id": facts.patient_id,
                    "root": str(root),
                    "path": record,
                    "fs": header.fs,
                    "n_samples": n_samples,
                    "leads": header.leads,
                    "age": facts.age,
                    "sex": facts.sex,
                    "dx": facts.dx,
                }
            )
        rows = [row for row in rows if row["path"] not in parts]
        rejects = [(name, reason) for name, reason in rejects if name.removesuffix(".hea") not in parts]
        if all(row["dx"] is None for row in rows):
            for row in rows:
                del row["dx"]
        else:
            for row in rows:
                row["dx"] = row["dx"] or ()
        return RecordTable.from_rows(rows, rejects)

    def read(self, row: Mapping[str, Any]) -> Record:
        """The record of one row: float32 mV, with the row's facts and targets."""
        return read_row(row, checksum=self.checksum)

    def read_part(self, row: Mapping[str, Any], start: int, stop: int) -> Record:
        """Samples ``start`` up to ``stop`` of one row's record, for which no other bytes of its signal files are read.

        A checksum is that of all samples, so that of a part cannot be verified.
        """
        return read_row(row, checksum=self.checksum, span=(start, stop))


def _headers(root: Path) -> Iterator[str]:
    """Paths of all headers below ``root``, relative and with forward slashes. Links to folders are not followed."""
    for folder, _, files in os.walk(root):
        relative = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if relative == "." else relative + "/"
        yield from (prefix + name for name in files if name.endswith(".hea"))
