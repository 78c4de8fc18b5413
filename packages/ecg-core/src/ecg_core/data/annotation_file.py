"""AnnotationFile: annotations in the MIT format (``100.atr``), as WFDB tools read them, and the writing of one.

Standard: annot(5) of the WFDB Applications Guide (Moody), https://physionet.org/physiotools/wag/annot-5.htm. What annotations are
called in a :class:`~ecg_core.Record` is said in :mod:`ecg_core.data.step_target` and in the readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg_core.data.files import write_atomic
from ecg_core.errors import DataError

__all__ = ["SYMBOLS", "AnnotationFile", "annotation_file_of", "encode_annotations", "write_annotations"]

# The symbol of each type, by the table of ecgcodes.h; types that are not here are the user's own.
SYMBOLS = {
    0: " ", 1: "N", 2: "L", 3: "R", 4: "a", 5: "V", 6: "F", 7: "J", 8: "A", 9: "S", 10: "E", 11: "j", 12: "/", 13: "Q", 14: "~",
    16: "|", 18: "s", 19: "T", 20: "*", 21: "D", 22: '"', 23: "=", 24: "p", 25: "B", 26: "^", 27: "t", 28: "+", 29: "u", 30: "?",
    31: "!", 32: "[", 33: "]", 34: "e", 35: "n", 36: "@", 37: "x", 38: "f", 39: "(", 40: ")", 41: "r",
}  # fmt: skip

_TYPES = {symbol: kind for kind, symbol in SYMBOLS.items()}
_SKIP, _NUM, _SUB, _CHN, _AUX = 59, 60, 61, 62, 63
_NOTE = 22
_WAVES = {
    f"{wave}_{part}": (place, symbol or peak)
    for wave, peak in (("p", "p"), ("qrs", "N"), ("t", "t"))
    for part, place, symbol in (("on", 0, "("), ("peak", 1, ""), ("off", 2, ")"))
}


@dataclass(frozen=True, eq=False)
class AnnotationFile:
    """The annotations of one file, in its order.

    Args:
        samples: ``(n,)`` int64, time in sampling intervals of ``fs``, or of the record's frames where that is ``None``.
        symbols: What each is; ``[42]`` for a type without a symbol.
        subtypes: ``(n,)`` int64.
        channels: ``(n,)`` int64, the signal each belongs to.
        numbers: ``(n,)`` int64.
        notes: The text of each, mostly empty.
        fs: Sampling frequency of the times in Hz, where the file states one.
    """

    samples: np.ndarray
    symbols: tuple[str, ...]
    subtypes: np.ndarray
    channels: np.ndarray
    numbers: np.ndarray
    notes: tuple[str, ...]
    fs: float | None = None

    def __len__(self) -> int:
        return len(self.symbols)


def annotation_file_of(annotations: Mapping[str, np.ndarray], *, fs: float) -> AnnotationFile:
    """From positions by name, ``kind/label``, to the annotations of one file.

    Beats keep their symbols (``beat/V``), a beat of no class is an ``N``; a rhythm is a ``+`` with its name; a wave is its peak
    (``p``, ``N``, ``t``) between ``(`` and ``)``. ``r_peaks`` are written where no ``beat/`` says more of them.

    Args:
        annotations: Positions in samples by name.
        fs: Sampling frequency of the positions, Hz.

    Raises:
        DataError: A name is none that the format has a symbol for.
    """
    rows: list[tuple[int, int, str, str]] = []
    classified = any(name.startswith(("beat/", "wave/qrs")) for name in annotations)
    for name, positions in annotations.items():
        if name == "r_peaks" and classified:
            continue
        order, symbol, note = _written(name)
        rows += [(int(p), order, symbol, note) for p in np.asarray(positions).tolist()]
    rows.sort()
    none = np.zeros(len(rows), dtype=np.int64)
    samples = np.array([row[0] for row in rows], dtype=np.int64)
    return AnnotationFile(samples, tuple(r[2] for r in rows), none, none, none, tuple(r[3] for r in rows), fs)


def _written(name: str) -> tuple[int, str, str]:
    """The place of an annotation among those of the same sample, its symbol and its note."""
    kind, _, label = name.partition("/")
    if name == "r_peaks":
        return 1, "N", ""
    if kind in ("beat", "event") and label in _TYPES and label != " ":
        return 1, label, ""
    if kind == "rhythm":
        return 0, "+", f"({label}"
    if kind == "wave" and label.partition("/")[0] in _WAVES:
        return *_WAVES[label.partition("/")[0]], ""
    raise DataError(f"annotations {name!r} have no symbol in a WFDB file; write CSV or Parquet instead")


def write_annotations(found: AnnotationFile, path: str | Path) -> None:
    """Write ``found`` to ``path``; an existing file is replaced.

    Raises:
        DataError: It holds what the format cannot.
    """
    content = encode_annotations(found)

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_atomic(Path(path), write)


def encode_annotations(found: AnnotationFile) -> bytes:
    """The bytes of an annotation file.

    Raises:
        DataError: A symbol is none of the standard's, or a number or a note is too large for the format.
    """
    words: list[int] = []
    if found.fs is not None:
        words += [_NOTE << 10, *_note(f"## time resolution: {found.fs:g}")]
    previous = channel = number = 0
    rows = zip(found.samples, found.symbols, found.subtypes, found.channels, found.numbers, found.notes, strict=True)
    for sample, symbol, subtype, its_channel, its_number, note in rows:
        if symbol not in _TYPES or symbol == " ":
            raise DataError(f"{symbol!r} is no symbol of a WFDB annotation; use one of {' '.join(sorted(_TYPES)).strip()}")
        _check("sample", int(sample), 0, 2**31 - 1)
        step = int(sample) - previous
        previous = int(sample)
        if not 0 <= step < 1024:
            words += [_SKIP << 10, step >> 16 & 0xFFFF, step & 0xFFFF]
            step = 0
        words.append(_TYPES[symbol] << 10 | step)
        if subtype:
            words.append(_SUB << 10 | _check("subtype", int(subtype), -128, 127) & 0xFF)
        if its_channel != channel:
            channel = _check("channel", int(its_channel), 0, 255)
            words.append(_CHN << 10 | channel)
        if its_number != number:
            number = _check("number", int(its_number), -128, 127)
            words.append(_NUM << 10 | number & 0xFF)
        if note:
            words += _note(note)
    return np.array([*words, 0], dtype="<u2").tobytes()


def _check(what: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise DataError(f"the {what} of an annotation is {value}, the format holds {low} to {high}")
    return value


def _note(text: str) -> list[int]:
    try:
        content = text.encode("latin-1")
    except UnicodeEncodeError:
        raise DataError(f"the note {text[:60]!r} holds characters beyond Latin-1, which the format does not have") from None
    if len(content) > 255:
        raise DataError(f"a note has {len(content)} characters, the format holds 255; shorten it")
    padded = content + b"\0" * (len(content) % 2)
    return [_AUX << 10 | len(content), *np.frombuffer(padded, dtype="<u2").tolist()]
