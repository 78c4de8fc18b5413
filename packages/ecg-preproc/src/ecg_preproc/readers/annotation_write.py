"""Write annotations as a file in the MIT format, which :mod:`~ecg_preproc.readers.annotation_file` and WFDB tools read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecg_core.errors import DataError
from ecg_preproc.readers.annotation_file import SYMBOLS, AnnotationFile

__all__ = ["encode_annotations", "write_annotations"]

_TYPES = {symbol: kind for kind, symbol in SYMBOLS.items()}
_SKIP, _NUM, _SUB, _CHN, _AUX = 59, 60, 61, 62, 63
_NOTE = 22


def write_annotations(found: AnnotationFile, path: str | Path) -> None:
    """Write ``found`` to ``path``; an existing file is replaced.

    Raises:
        DataError: It holds what the format cannot.
    """
    Path(path).write_bytes(encode_annotations(found))


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
