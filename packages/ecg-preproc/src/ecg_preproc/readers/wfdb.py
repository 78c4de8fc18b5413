"""WFDBReader: any folder of WFDB records (PhysioNet's .hea with .dat or .mat), searched through all its subfolders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError
from ecg_preproc.readers.comments import facts_of
from ecg_preproc.readers.files import read_bytes
from ecg_preproc.readers.header import Header, parse_header
from ecg_preproc.readers.row import MAX_HEADER_BYTES, read_row
from ecg_preproc.readers.signal import check_sizes

__all__ = ["WFDBReader", "read_header"]


class WFDBReader(Reader):
    """Reads any folder of WFDB records: formats 16 and 212, and the ``.mat`` files of the PhysioNet/CinC Challenges.

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
        for name, stem in zip(found, stems, strict=True):
            record = name.removesuffix(".hea")
            try:
                header, n_samples = read_header(root, record)
            except DataError as error:
                rejects.append((name, str(error)))
                continue
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


def read_header(root: str | Path, record: str) -> tuple[Header, int]:
    """Parse the header of ``root/record.hea`` and compare it with the sizes of its files.

    Args:
        root: Folder of the data set, which no file may leave.
        record: Path of the record below it, without suffix.

    Returns:
        The header, and the samples per lead.

    Raises:
        DataError: The record is damaged; the message names the header.
    """
    file = os.path.join(root, record + ".hea")
    try:
        header = parse_header(read_bytes(file, root, limit=MAX_HEADER_BYTES))
        return header, check_sizes(header, os.path.dirname(file), root)
    except DataError as error:
        raise DataError(f"{file}: {error}") from None


def _headers(root: Path) -> Iterator[str]:
    """Paths of all headers below ``root``, relative and with forward slashes. Links to folders are not followed."""
    for folder, _, files in os.walk(root):
        relative = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if relative == "." else relative + "/"
        yield from (prefix + name for name in files if name.endswith(".hea"))
