"""CPSC2018Reader: the China Physiological Signal Challenge 2018 as it was published, in MATLAB files with a table of labels.

Data: Liu et al. 2018, "An open access database for evaluating the algorithms of electrocardiogram rhythm and morphology
abnormality detection", Journal of Medical Imaging and Health Informatics 8(7):1368-1373.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ecg_core.data.leads import STANDARD_12
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError
from ecg_preproc.readers.comments import facts_of
from ecg_preproc.readers.files import read_bytes
from ecg_preproc.readers.mat5 import is_mat5, read_structure
from ecg_preproc.readers.recording_files import RecordingFiles, check_span, files_below

__all__ = ["CPSC2018Reader"]

_CLASSES = ("Normal", "AF", "I-AVB", "LBBB", "RBBB", "PAC", "PVC", "STD", "STE")
_FS = 500.0
_NAME_RE = re.compile(r"A\d{4}\.mat", re.ASCII)
_NUMBER_RE = re.compile(r"([1-9])(?:\.0*)?", re.ASCII)
_MOST_BYTES = 1 << 27  # the longest of 144 s has 7 MB
_MOST_TABLE_BYTES = 1 << 22  # the table of 6,877 recordings has 70 kB


class CPSC2018Reader(RecordingFiles):
    """Reads CPSC 2018: 6,877 recordings of twelve leads at 500 Hz, 6 to 144 s, as ``A0001.mat`` … with ``REFERENCE.csv``.

    The target ``dx`` has up to three of nine classes, the first label first: ``Normal``, ``AF``, ``I-AVB``, ``LBBB``, ``RBBB``,
    ``PAC``, ``PVC``, ``STD`` and ``STE``. Where no table is there, there is no such target. Patients are not known. The same
    recordings with WFDB headers, as the PhysioNet/CinC Challenges give them, are read by
    :class:`~ecg_preproc.readers.cinc.CinCReader`.
    """

    generality = 0
    suffixes = (".mat",)
    what = "recording A0001.mat … of CPSC 2018"

    def __init__(self) -> None:
        pass

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.challenge_fixtures import cpsc2018_example

        return cpsc2018_example()

    def is_one(self, file: str) -> bool:
        return _NAME_RE.fullmatch(os.path.basename(file)) is not None

    def recognises(self, path: Path) -> bool:
        """Whether a file ``A0001.mat`` … below the folder is of MATLAB 5; those beside WFDB headers are of MATLAB 4."""
        root = Path(path)
        name = next((name for name in files_below(root, self.suffixes) if self.is_one(name)), None)
        if name is None:
            return False
        try:
            with (root / name).open("rb") as file:
                return is_mat5(file.read(128))
        except OSError:
            return False

    def scan(self, path: Path) -> RecordTable:
        """Facts and labels of every recording below ``path``, sorted by path. Labelled ones that are absent are rejects.

        Raises:
            DataError: The folder does not exist or holds no such recording, or a table of labels cannot be understood.
        """
        table = super().scan(path)
        labels = _references(Path(path))
        if not labels:
            return table
        rejects = list(table.rejects.itertuples(index=False, name=None))
        rows = [{**row, "dx": labels.get(Path(row["path"]).stem, ())} for row in table.rows()]
        there = {Path(name).stem for name in (*(row["path"] for row in rows), *(name for name, _ in rejects))}
        rejects += [(f"{record}.mat", "REFERENCE.csv labels it, and it is not there") for record in sorted(set(labels) - there)]
        return RecordTable.from_rows(rows, rejects)

    def open(self, file: str, span: tuple[int, int] | None = None) -> Record:
        fields = read_structure(read_bytes(file, os.path.dirname(file), limit=_MOST_BYTES), "ECG")
        signal = fields.get("data")
        if not isinstance(signal, np.ndarray) or signal.shape[0] != len(STANDARD_12) or not signal.shape[1]:
            held = f"numbers of the shape {signal.shape}" if isinstance(signal, np.ndarray) else "no real numbers"
            raise DataError(f"its field 'data' holds {held}, expected twelve leads in mV, (12, samples); restore the file")
        check_span(span, signal.shape[1])
        start, stop = span or (0, signal.shape[1])
        age, sex = fields.get("age"), fields.get("sex")
        years = f"{age.item():g}" if isinstance(age, np.ndarray) and age.size == 1 else age
        facts = facts_of([f"Age: {years}", f"Sex: {sex}"])
        return Record(signal[:, start:stop].astype(np.float32), _FS, STANDARD_12, Path(file).stem, age=facts.age, sex=facts.sex)


def _references(root: Path) -> dict[str, tuple[str, ...]]:
    """Classes by recording, from ``REFERENCE.csv`` in the folder or below it."""
    labels: dict[str, tuple[str, ...]] = {}
    for name in sorted(files_below(root, (".csv",))):
        table = root / name
        if not table.name.startswith("REFERENCE"):
            continue
        for record, classes in _lines(table, root):
            if labels.setdefault(record, classes) != classes:
                raise DataError(
                    f"{table}: {record} is labelled {', '.join(classes)}, and {', '.join(labels[record])} before; keep one line"
                )
    return labels


def _lines(table: Path, root: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    text = read_bytes(table, root, limit=_MOST_TABLE_BYTES).decode("utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        record, *cells = (cell.strip() for cell in line.split(","))
        if (number == 1 and record.casefold() == "recording") or not line.strip(", \t"):
            continue
        given = [cell for cell in cells if cell and cell.casefold() != "nan"]
        numbers = [found[1] for cell in given if (found := _NUMBER_RE.fullmatch(cell))]
        if not numbers or len(numbers) != len(given):
            raise DataError(
                f"{table}: line {number} is {line[:60]!r}, expected a recording and one to three labels of 1 to 9, as in "
                "'A0001,5,,'; correct it"
            )
        yield record.removesuffix(".mat"), tuple(dict.fromkeys(_CLASSES[int(n) - 1] for n in numbers))
