"""Finding the WFDB records of a folder: headers parsed, file sizes compared, no signal decoded."""

from __future__ import annotations

import os
import posixpath
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ecg_core.errors import ContentWarning, DataError
from ecg_preproc.readers.files import check_inside, regular_size
from ecg_preproc.readers.header import Header
from ecg_preproc.readers.row import read_header

__all__ = ["Found", "find_records", "headers_below", "tell_left_out"]


class Found(NamedTuple):
    """One sound record.

    Args:
        path: Below the folder, with forward slashes and without suffix.
        header: Its header.
        n_samples: Samples per lead.
    """

    path: str
    header: Header
    n_samples: int

    def row(self, root: Path) -> dict[str, Any]:
        """The facts that every reader states."""
        return {
            "root": str(root),
            "path": self.path,
            "fs": self.header.fs,
            "n_samples": self.n_samples,
            "leads": self.header.leads,
        }


def headers_below(root: Path) -> Iterator[str]:
    """Paths of all headers below ``root``, relative and with forward slashes. Links to folders are not followed.

    The order is the same on every system, so that a look at the first few says the same everywhere.
    """
    for folder, folders, files in os.walk(root):
        folders.sort()
        relative = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if relative == "." else relative + "/"
        yield from (prefix + name for name in sorted(files) if name.endswith(".hea"))


def find_records(root: Path, headers: Iterable[str], *, beside: Sequence[str] = ()) -> tuple[list[Found], list[tuple[str, str]]]:
    """The sound records among some headers, in their order, and ``(path, reason)`` of the others.

    Signals that are no voltage are left out of their records, of which one warning tells.

    The segments of a multi-segment record are parts of it, and not records of their own.

    Args:
        root: Folder of the data set, which no file may leave.
        headers: Paths below it.
        beside: Extensions of further files that each record must have.
    """
    found: list[Found] = []
    rejects: list[tuple[str, str]] = []
    parts: set[str] = set()
    safe: set[str] = {""}  # folders that were followed and lie inside
    for name in headers:
        record = name.removesuffix(".hea")
        try:
            if (folder := posixpath.dirname(record)) not in safe:
                check_inside(root / folder, root)
                safe.add(folder)
            header, n_samples = read_header(root, record)
            parts.update(posixpath.join(posixpath.dirname(record), segment.name) for segment in header.segments)
            for extension in beside:
                regular_size(root / f"{record}.{extension}", root)
        except DataError as error:
            rejects.append((name, str(error)))
            continue
        found.append(Found(record, header, n_samples))
    whole = [one for one in found if one.path not in parts]
    tell_left_out((one.path, one.header.left_out) for one in whole)
    return whole, [(name, reason) for name, reason in rejects if name.removesuffix(".hea") not in parts]


def tell_left_out(records: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Warn of signals that are no voltage, once for all records.

    Args:
        records: Path of each, and the names of its signals that are no voltage.
    """
    concerned = [(path, names) for path, names in records if names]
    if concerned:
        names = list(dict.fromkeys(name for _, left_out in concerned for name in left_out))
        listed = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        warnings.warn(
            f"{len(concerned)} record(s), the first is {concerned[0][0]}, hold signals that are no voltage ({listed}); "
            "they are left out, the others are read",
            ContentWarning,
            stacklevel=3,
        )
