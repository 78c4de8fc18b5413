"""One annotation file in the MIT format (``100.atr``), decoded strictly.

Standard: annot(5) of the WFDB Applications Guide (Moody), https://physionet.org/physiotools/wag/annot-5.htm. A file is a row of
16-bit words, little-endian: six bits of type and ten of time since the annotation before. Types from 59 on are no annotations:
SKIP moves the time by 32 bits; NUM, SUB, CHN and AUX say more of the annotation before them. A zero ends the file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from ecg_core.data.annotation_file import SYMBOLS, AnnotationFile
from ecg_core.errors import DataError
from ecg_preproc.readers.files import read_bytes

__all__ = ["MAX_ANNOTATION_BYTES", "parse_annotations", "read_annotations"]

# Two million annotations: three weeks of beats.
MAX_ANNOTATION_BYTES = 1 << 22

_SKIP, _NUM, _SUB, _CHN, _AUX = 59, 60, 61, 62, 63
_NOTE = 22
_RESOLUTION_RE = re.compile(r"## time resolution: (\d+\.?\d*)")
_DEFINITION_RE = re.compile(r"(\d{1,2}) (\S+)(?: .*)?")
_DEFINITIONS, _END = "## annotation type definitions", "## end of definitions"


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
    kinds, times = words >> 10, words & 0x3FF
    inside, notes = _payloads(content, kinds, times)
    skips = np.flatnonzero((kinds == _SKIP) & ~inside)
    jumps = words[skips + 1] << 16 | words[skips + 2]
    plain = ~inside & (kinds < _SKIP)
    times[~plain] = 0
    times[skips] = np.where(jumps >= 1 << 31, jumps - (1 << 32), jumps)
    ends = np.flatnonzero(plain & (words == 0))
    if not len(ends):
        raise DataError("the file has no end mark (two zero bytes); it is cut, restore it")
    end = int(ends[0])
    if words[end:].any():
        raise DataError(f"data follow the end mark at byte {2 * end}; expected an annotation file in the MIT format, restore it")
    plain[end:] = False
    # What says more of an annotation belongs to the last one before it.
    owner = np.cumsum(plain) - 1
    more = np.flatnonzero((kinds > _SKIP) & ~inside)
    if len(more) and owner[more[0]] < 0:
        raise DataError(f"byte {2 * more[0]} says more of an annotation, but none precedes it; the file is damaged, restore it")
    samples = np.cumsum(times)[plain]
    if len(samples) and samples.min() < 0:
        raise DataError("an annotation lies before the beginning of the record; the file is damaged, restore it")
    said = {kind: np.flatnonzero((kinds == kind) & ~inside) for kind in (_SUB, _CHN, _NUM)}
    # A subtype is of one annotation only; channel and number hold until they change.
    fields = [
        _filled(len(samples), owner[said[kind]], words[said[kind]], signed=kind != _CHN, keep=kind != _SUB) for kind in said
    ]
    texts = [""] * len(samples)
    for place, text in notes:
        texts[owner[place]] = text
    return _annotations(samples, kinds[plain], fields, texts)


def _payloads(content: bytes, kinds: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """Which words are payload of a SKIP or an AUX, and so may look like anything; and the notes with their places."""
    types, lengths = kinds.tolist(), values.tolist()
    inside = np.zeros(len(types), dtype=bool)
    notes = []
    after = 0
    for i in np.flatnonzero((kinds == _SKIP) | (kinds == _AUX)).tolist():
        if i < after:
            continue
        length = 2 if types[i] == _SKIP else (lengths[i] + 1) // 2
        after = i + 1 + length
        if after >= len(types) or (length > 2 and lengths[i] > 255):
            raise DataError(f"the file ends within the annotation at byte {2 * i}; it is cut or damaged, restore it")
        if length:
            inside[i + 1 : after] = True
            if types[i] == _AUX:
                notes.append((i, content[2 * i + 2 : 2 * i + 2 + lengths[i]].decode("latin-1").rstrip("\0")))
    return inside, notes


def _annotations(samples: np.ndarray, kinds: np.ndarray, fields: list[np.ndarray], notes: list[str]) -> AnnotationFile:
    head, fs, own = _definitions(samples, kinds, notes)
    keep = kinds != 0  # "not an annotation": it only moved the time
    keep[:head] = False
    names = {**SYMBOLS, **own}
    symbols = tuple(names.get(kind, f"[{kind}]") for kind in kinds[keep].tolist())
    kept = tuple(note for note, wanted in zip(notes, keep.tolist(), strict=True) if wanted)
    subtypes, channels, numbers = (field[keep] for field in fields)
    return AnnotationFile(samples[keep], symbols, subtypes, channels, numbers, kept, fs)


def _filled(count: int, places: np.ndarray, words: np.ndarray, *, signed: bool, keep: bool) -> np.ndarray:
    """The values of ``words`` at the annotations ``places``; elsewhere 0, or what was there last."""
    values = words & 0xFF
    filled = np.zeros(count, dtype=np.int64)
    filled[places] = np.where(values >= 128, values - 256, values) if signed else values
    if not (keep and len(places)):
        return filled
    last = np.zeros(count, dtype=np.int64)
    last[places] = places
    return np.where(np.arange(count) < places[0], 0, filled[np.maximum.accumulate(last)])


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
