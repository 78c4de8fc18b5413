"""Recordings that are one file each, in any folder below the data set: found by suffix, listed by path, read whole."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import FACTS, RecordTable
from ecg_core.errors import DataError
from ecg_preproc.readers.files import below, check_inside, regular_size

__all__ = ["RecordingFiles", "check_span", "files_below"]


class RecordingFiles(Reader):
    """A reader of files that hold one recording each. Subclasses say what is such a file, and open it.

    A recording's name is its file's without suffix when no two files share one, else its path below the folder.
    """

    generality = 1
    suffixes: ClassVar[tuple[str, ...]]
    what: ClassVar[str]
    """What is looked for, for messages: ``"EDF file (*.edf)"``."""

    @abstractmethod
    def open(self, file: str, span: tuple[int, int] | None = None) -> Record:
        """The recording in this file, which was found to be a regular file inside the data set.

        Args:
            file: Its path.
            span: First sample, and the one after the last; ``None`` reads all.

        Raises:
            DataError: It is damaged, or not what its suffix says, or the span leaves it; the message need not name it.
        """

    def is_one(self, file: str) -> bool:
        """Whether a file with the right suffix is one of ours, told from its first bytes."""
        return True

    def facts(self, file: str) -> dict[str, Any]:
        """``fs``, ``n_samples``, ``leads`` and what else the table shall hold of a file; the default opens it."""
        record = self.open(file)
        known = {"patient_id": record.patient_id, "age": record.age, "sex": record.sex}
        return {"fs": record.fs, "n_samples": record.n_samples, "leads": record.leads, **known, **record.labels}

    def recognises(self, path: Path) -> bool:
        """Whether a file of this kind lies below the folder."""
        return any(self.is_one(os.path.join(path, name)) for name in files_below(Path(path), self.suffixes))

    def scan(self, path: Path) -> RecordTable:
        """Facts of every file of this kind below ``path``, sorted by path.

        Raises:
            DataError: The folder does not exist or holds no such file.
        """
        root = Path(path)
        names = [name for name in sorted(files_below(root, self.suffixes)) if self.is_one(str(root / name))]
        if not names:
            what = "no such folder" if not root.is_dir() else f"no {self.what} in it or below it"
            raise DataError(f"{root}: {what}; give a folder of such recordings")
        stems = [Path(name).stem for name in names]
        unique = len(set(stems)) == len(stems)
        rows, rejects = [], []
        for name, stem in zip(names, stems, strict=True):
            try:
                facts = self._checked(root, name, self.facts)
            except DataError as error:
                rejects.append((name, str(error)))
                continue
            record_id = stem if unique else name.rsplit(".", 1)[0]
            rows.append({"record_id": record_id, "root": str(root), "path": name, **facts})
        targets = {key for row in rows for key, value in row.items() if key not in FACTS and isinstance(value, tuple)}
        return RecordTable.from_rows([{**dict.fromkeys(targets, ()), **row} for row in rows], rejects)

    def read(self, row: Mapping[str, Any]) -> Record:
        """The record of one row: float32 mV, with the row's facts and targets."""
        return self._read(row, None)

    def read_part(self, row: Mapping[str, Any], start: int, stop: int) -> Record:
        """Samples ``start`` up to, not including, ``stop`` of the record of one row; its annotations are those in between."""
        return self._read(row, (start, stop))

    def _read(self, row: Mapping[str, Any], span: tuple[int, int] | None) -> Record:
        root, name = Path(str(row["root"])), str(row["path"])
        below(root, name)
        record = self._checked(root, name, lambda file: self.open(file, span))
        known = {key: None if pd.isna(row.get(key)) else row.get(key) for key in ("patient_id", "age", "sex")}
        labels = {key: value for key, value in row.items() if key not in FACTS and isinstance(value, tuple)}
        record_id = str(row.get("record_id") or name)
        return replace(record, record_id=record_id, labels=labels, source=str(root / name), **known)

    def _checked(self, root: Path, name: str, act: Any) -> Any:
        file = os.path.join(root, name)
        try:
            check_inside(os.path.dirname(file), root)
            regular_size(file, root)
            return act(file)
        except DataError as error:
            raise DataError(f"{file}: {error}") from None
        except OSError as error:
            raise DataError(f"{file}: it cannot be read ({error.strerror or error})") from None


def check_span(span: tuple[int, int] | None, n_samples: int) -> None:
    """Refuse a span that leaves the recording.

    Raises:
        DataError: It is empty or leaves it.
    """
    if span is not None and not 0 <= span[0] < span[1] <= n_samples:
        raise DataError(f"samples {span[0]} to {span[1]} were asked for, the recording has {n_samples}")


def files_below(root: Path, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Paths of all files with one of these suffixes (in any case), relative, with forward slashes. Links to folders are left."""
    for folder, _, files in os.walk(root):
        relative = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if relative == "." else relative + "/"
        yield from (prefix + name for name in files if name.lower().endswith(suffixes) and not name.startswith("."))
