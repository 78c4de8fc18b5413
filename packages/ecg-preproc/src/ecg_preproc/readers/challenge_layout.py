"""How the PhysioNet/CinC Challenges of 2017, 2020 and 2021 lay out their recordings: names, folders and tables of labels."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from ecg_core.errors import DataError
from ecg_preproc.readers.files import read_bytes
from ecg_preproc.readers.header import MAX_HEADER_BYTES
from ecg_preproc.readers.scan import headers_below

__all__ = ["RHYTHMS", "database_of", "is_challenge", "read_references"]

RHYTHMS = ("N", "A", "O", "~")
"""The labels of 2017: normal sinus rhythm, atrial fibrillation, another rhythm, too noisy to say."""

_LOOKED_AT = 8  # headers, to recognise a folder by
_MOST_BYTES = 1 << 22  # the table of all 8,528 recordings of 2017 has 80 kB

# 2017: "A00001 1 300 9000 05:05:15 1/05/2000". 2020 and 2021: "# Dx: 426783006,164889003".
_RHYTHM_HEADER_RE = re.compile(rb"(?:\xef\xbb\xbf)?\s*A\d{5}\s+1\s+300(?:\.0*)?\s")
_CODED_HEADER_RE = re.compile(rb"^\s*#\s*Dx\s*:[\s,;]*\d{6,}", re.MULTILINE | re.IGNORECASE)

_NAME_RE = re.compile(r"(A|Q|I|S|HR|E|JS)(\d{4,5})", re.ASCII)
_LETTERS = {
    ("A", 4): "cpsc", ("A", 5): "cinc2017", ("Q", 4): "cpsc_extra", ("I", 4): "incart", ("S", 4): "ptb", ("HR", 5): "ptb_xl",
    ("E", 5): "georgia",
}  # fmt: skip
_LAST_OF_CHAPMAN = 10646  # the two hospitals of JS00001 to JS45551 number theirs one after the other
_FOLDERS = {
    "cpsc2018": "cpsc", "cpsc2018extra": "cpsc_extra", "cpsc20182": "cpsc_extra", "stpetersburgincart": "incart",
    "stpetersburg": "incart", "ptb": "ptb", "ptbxl": "ptb_xl", "georgia": "georgia", "ga": "georgia",
    "chapmanshaoxing": "chapman_shaoxing", "ningbo": "ningbo", "training2017": "cinc2017", "sample2017": "cinc2017",
}  # fmt: skip


def database_of(path: str) -> str | None:
    """The data set that a recording comes from, told from its name (``E00001``), else from a folder (``georgia/g1``).

    Args:
        path: Its path, with forward slashes and without suffix.

    Returns:
        ``"cinc2017"``, ``"cpsc"``, ``"cpsc_extra"``, ``"incart"``, ``"ptb"``, ``"ptb_xl"``, ``"georgia"``,
        ``"chapman_shaoxing"``, ``"ningbo"``, or ``None`` where neither tells.
    """
    *folders, name = path.split("/")
    if found := _NAME_RE.fullmatch(name):
        if found[1] == "JS":
            return "chapman_shaoxing" if int(found[2]) <= _LAST_OF_CHAPMAN else "ningbo"
        if database := _LETTERS.get((found[1], len(found[2]))):
            return database
    for folder in reversed(folders):
        word = re.sub(r"[^a-z0-9]", "", folder.lower()).removeprefix("wfdb")
        if word in _FOLDERS:
            return _FOLDERS[word]
    return None


def is_challenge(root: Path) -> bool:
    """Whether most of the first headers below a folder are those of a challenge: single leads of 2017, or coded diagnoses."""
    seen = [_looks_like_one(root, name) for name in islice(headers_below(root), _LOOKED_AT)]
    return 2 * sum(seen) > len(seen)


def _looks_like_one(root: Path, name: str) -> bool:
    try:
        content = read_bytes(root / name, root, limit=MAX_HEADER_BYTES)
    except DataError:
        return False
    return bool(_RHYTHM_HEADER_RE.match(content) or _CODED_HEADER_RE.search(content))


def read_references(root: Path, headers: Iterable[str]) -> dict[str, str]:
    """Labels of 2017 by recording, from every ``REFERENCE*.csv`` in the folders of these headers and above them.

    The labels were corrected three times: of several tables, ``REFERENCE-v3.csv`` counts most and one without a version, which
    is of any age, least.

    Raises:
        DataError: A table holds another label, or two of one version contradict each other.
    """
    folders = {""}
    for name in headers:
        folder = posixpath.dirname(name)
        while folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    tables = [(_version(table.name), table) for folder in folders for table in (root / folder).glob("REFERENCE*.csv")]
    labels: dict[str, tuple[int, str, Path]] = {}
    for version, table in sorted(tables):
        for record, label in _lines(table, root):
            before = labels.get(record)
            if before is not None and before[0] == version and before[1] != label:
                raise DataError(f"{table}: {record} is labelled {label}, and {before[1]} in {before[2]}; remove one of the two")
            labels[record] = version, label, table
    return {record: label for record, (_, label, _) in labels.items()}


def _version(name: str) -> int:
    found = re.search(r"-v(\d+)\.csv$", name, re.ASCII)
    return int(found[1]) if found else -1


def _lines(table: Path, root: Path) -> Iterable[tuple[str, str]]:
    """Recordings and their labels; none where it is the table of another challenge, whose first line names three labels."""
    text = read_bytes(table, root, limit=_MOST_BYTES).decode("utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        cells = [cell.strip() for cell in line.split(",")]
        if number == 1 and cells[0].casefold() in ("record", "recording", "name"):
            if len(cells) > 2:
                return
            continue
        if not any(cells):
            continue
        if len(cells) != 2 or cells[1] not in RHYTHMS:
            raise DataError(
                f"{table}: line {number} is {line[:60]!r}, expected a recording and one of {', '.join(RHYTHMS)}, as in "
                "'A00001,N'; correct it"
            )
        yield os.path.basename(cells[0]), cells[1]
