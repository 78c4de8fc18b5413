"""One annotation file in the MIT format (``100.atr``), decoded strictly.

Standard: annot(5) of the WFDB Applications Guide (Moody), https://physionet.org/physiotools/wag/annot-5.htm. A file is a row of
16-bit words, little-endian: six bits of type and ten of time since the annotation before. Types from 59 on are no annotations:
SKIP moves the time by 32 bits; NUM, SUB, CHN and AUX say more of the annotation before them. A zero ends the file.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecg_core.errors import DataError
from ecg_preproc.readers.files import read_bytes

__all__ = ["MAX_ANNOTATION_BYTES", "SYMBOLS", "AnnotationFile", "parse_annotations", "read_annotations"]

# Two million annotations: three weeks of beats.
MAX_ANNOTATION_BYTES = 1 << 22

# The symbol of each type, by the table of ecgcodes.h; types that are not here are the user's own.
SYMBOLS = {
    0: " ", 1: "N", 2: "L", 3: "R", 4: "a", 5: "V", 6: "F", 7: "J", 8: "A", 9: "S", 10: "E", 11: "j", 12: "/", 13: "Q", 14: "~",
    16: "|", 18: "s", 19: "T", 20: "*", 21: "D", 22: '"', 23: "=", 24: "p", 25: "B", 26: "^", 27: "t", 28: "+", 29: "u", 30: "?",
    31: "!", 32: "[", 33: "]", 34: "e", 35: "n", 36: "@", 37: "x", 38: "f", 39: "(", 40: ")", 41: "r",
}  # fmt: skip

_SKIP, _NUM, _SUB, _CHN, _AUX = 59, 60, 61, 62, 63
_NOTE = 22
_RESOLUTION_RE = re.compile(r"## time resolution: (\d+\.?\d*)")
_DEFINITION_RE = re.compile(r"(\d{1,2}) (\S+)(?: .*)?")
_DEFINITIONS, _END = "## annotation type definitions", "## end of definitions"


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


def read_annotations(path: str | Path, root: str | Path) -> AnnotationFile:
    """Read one annotation file inside ``root``.

    Raises:
        DataError: It is missing, not regular, cut or damaged; the message names it.
    """
    content = read_bytes(path, root, limit=MAX_ANNOTATION_BYTES)
    return parse_annotations(content, name=os.path.basename(path))


def parse_annotations(content: bytes, *, name: str = "annotations") -> AnnotationFile:
    """Decode one annotation file.

    Args:
        content: Its bytes.
        name: How errors call it.

    Raises:
        DataError: It is cut, has no end, or is no annotation file in the MIT format.
    """
    try:
        return _parse(content)
    except DataError as error:
        raise DataError(f"{name!r}: {error}") from None


def _parse(content: bytes) -> AnnotationFile:
    if len(content) < 2 or len(content) % 2:
        raise DataError(f"an annotation file is a row of 16-bit words, got {len(content)} bytes; the file is cut, restore it")
    words = np.frombuffer(content, dtype="<u2").astype(np.int64)
    plain = np.ones(len(words), dtype=bool)
    times = words & 0x3FF
    more: dict[int, list[tuple[int, int]]] = {_NUM: [], _SUB: [], _CHN: []}
    texts: list[tuple[int, str]] = []
    after = 0  # the first word that is not part of what was seen so far
    for i in np.flatnonzero(words >> 10 >= _SKIP).tolist():
        if i < after:  # the text of a note may look like anything
            continue
        kind, value = int(words[i]) >> 10, int(words[i]) & 0x3FF
        length = 3 if kind == _SKIP else 1 + (value + 1) // 2 if kind == _AUX else 1
        after = i + length
        if after >= len(words) or (kind == _AUX and value > 255):
            raise DataError(f"the file ends within the annotation at byte {2 * i}; it is cut or damaged, restore it")
        plain[i:after] = False
        if kind == _SKIP:
            jump = int(words[i + 1]) << 16 | int(words[i + 2])
            times[i] = jump - (1 << 32) if jump >= 1 << 31 else jump
            times[i + 1 : after] = 0
            continue
        times[i:after] = 0
        if kind == _AUX:
            texts.append((i, content[2 * i + 2 : 2 * i + 2 + value].decode("latin-1").rstrip("\0")))
        else:
            low = value & 0xFF
            more[kind].append((i, low if kind == _CHN or low < 128 else low - 256))
    ends = np.flatnonzero(plain & (words == 0))
    if not len(ends):
        raise DataError("the file has no end mark (two zero bytes); it is cut, restore it")
    end = int(ends[0])
    if words[end:].any():
        raise DataError(f"data follow the end mark at byte {2 * end}; expected an annotation file in the MIT format, restore it")
    plain[end:] = False
    return _annotations(words, plain, np.cumsum(times), more, texts)


def _annotations(
    words: np.ndarray,
    plain: np.ndarray,
    times: np.ndarray,
    more: dict[int, list[tuple[int, int]]],
    texts: list[tuple[int, str]],
) -> AnnotationFile:
    samples, kinds = times[plain], words[plain] >> 10
    owner = np.cumsum(plain) - 1
    begins = [values[0][0] for values in more.values() if values] + [place for place, _ in texts[:1]]
    first = min(begins, default=None)
    if first is not None and owner[first] < 0:
        raise DataError(f"byte {2 * first} says more of an annotation, but none precedes it; the file is damaged, restore it")
    if len(samples) and samples.min() < 0:
        raise DataError("an annotation lies before the beginning of the record; the file is damaged, restore it")
    notes = [""] * len(samples)
    for place, text in texts:
        notes[owner[place]] = text
    # A subtype is of one annotation only; channel and number hold until they change.
    subtypes = _filled(len(samples), [(int(owner[i]), value) for i, value in more[_SUB]], keep=False)
    channels = _filled(len(samples), [(int(owner[i]), value) for i, value in more[_CHN]], keep=True)
    numbers = _filled(len(samples), [(int(owner[i]), value) for i, value in more[_NUM]], keep=True)
    head, fs, own = _definitions(samples, kinds, notes)
    keep = kinds != 0  # "not an annotation": it only moved the time
    keep[:head] = False
    names = {**SYMBOLS, **own}
    symbols = tuple(names.get(kind, f"[{kind}]") for kind in kinds[keep].tolist())
    kept = tuple(note for note, wanted in zip(notes, keep.tolist(), strict=True) if wanted)
    return AnnotationFile(samples[keep], symbols, subtypes[keep], channels[keep], numbers[keep], kept, fs)


def _filled(count: int, values: list[tuple[int, int]], *, keep: bool) -> np.ndarray:
    filled = np.zeros(count, dtype=np.int64)
    if not values:
        return filled
    places = np.array([place for place, _ in values])
    filled[places] = [value for _, value in values]
    if not keep:
        return filled
    last = np.full(count, -1)
    last[places] = places
    last = np.maximum.accumulate(last)
    return np.where(last < 0, 0, filled[last])


def _definitions(samples: np.ndarray, kinds: np.ndarray, notes: list[str]) -> tuple[int, float | None, dict[int, str]]:
    """How many notes at the beginning speak of the file itself, the sampling frequency and the symbols they define."""
    head, fs, own, inside = 0, None, {}, False
    for note in notes:
        if samples[head] != 0 or kinds[head] != _NOTE or not (inside or note.startswith("## ")):
            break
        head += 1
        if found := _RESOLUTION_RE.match(note):
            fs = float(found[1])
            if not 0 < fs < 1e9:
                raise DataError(f"the time resolution is {found[1]!r}, expected a positive number of Hz; restore the file")
        elif inside and note != _END:
            if not (found := _DEFINITION_RE.fullmatch(note)):
                raise DataError(f"{note[:60]!r} defines no annotation type, expected a number and a symbol; restore the file")
            own[int(found[1])] = found[2]
        inside = note == _DEFINITIONS or (inside and note != _END)
    return head, fs, own
