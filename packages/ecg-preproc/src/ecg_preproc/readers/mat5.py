"""One structure of a MATLAB 5 file (``.mat`` as MATLAB 5 to 7.2 save it): its numbers and texts, read within stated bounds.

Format: MathWorks, "MAT-File Format", Level 5. Such a file is a list of elements, each a type, a number of bytes and the bytes; an
element may be compressed. Only what is needed here is decoded: matrices of real numbers and of characters in a structure of
one. Objects, functions and cells are passed over and never built, and nothing is inflated beyond the size that its first bytes
declare, beyond a hundredfold or beyond 128 MiB.

``scipy.io.loadmat`` reads the same numbers from sound files, and is what the tests compare with. It is not used here because
damaged files end its process or make it ask for as much memory as they say (scipy 1.17).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ecg_core.errors import DataError

__all__ = ["is_mat5", "read_structure"]

MOST_RATIO = 100
"""How many times smaller recordings get at most: deflate takes tens of bytes for one where a signal is flat."""

MOST_BYTES = 1 << 27
"""Largest element: three quarters of an hour of twelve leads at 500 Hz."""

_HEADER = 128
_PIECE = 1 << 14  # inflated at a time; the largest ratio of the method makes 16 MB of it
_COMPRESSED, _MATRIX = 15, 14
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
_STRUCTURE, _CHARACTERS, _OPAQUE, _COMPLEX = 2, 4, 17, 0x08
_NUMERIC = range(6, 16)


class _Element(NamedTuple):
    kind: int
    content: memoryview


def is_mat5(start: bytes) -> bool:
    """Whether a file that starts like this says it is MATLAB 5."""
    return start[124:128] in (b"\x00\x01IM", b"\x01\x00MI")


def read_structure(content: bytes, name: str) -> dict[str, np.ndarray | str]:
    """The fields of one structure that are real numbers, as 2-d float64 arrays, or characters, as text.

    Args:
        content: The whole file.
        name: What the structure is called.

    Raises:
        DataError: It is no such file, it is damaged or cut, or it would become too large.
    """
    if content[:19] == b"MATLAB 7.3 MAT-file" or content[:8] == b"\x89HDF\r\n\x1a\n":
        raise DataError("it is a MATLAB 7.3 file, which is HDF5, expected MATLAB 5; save it with -v7")
    if not is_mat5(content):
        raise DataError("it is no MATLAB 5 file; restore it, or read files with WFDB headers beside them with the reader 'cinc'")
    order = "<" if content[126:128] == b"IM" else ">"
    seen = []
    for kind, body in _elements(memoryview(content)[_HEADER:], order):
        if kind == _COMPRESSED:
            kind, body = _inflated(body, order)
        if kind != _MATRIX:
            continue
        parts = _elements(body, order)
        found, _, called = _head(parts, order)
        seen.append(called)
        if called == name:
            if found != _STRUCTURE:
                raise DataError(f"its variable {name!r} is no structure; restore the file")
            return dict(_fields(parts, order))
    raise DataError(f"it holds {', '.join(map(repr, seen)) or 'nothing'}, expected a structure {name!r}; restore the file")


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    position = 0
    while position < len(data):
        kind, content, position = _element(data, position, order)
        yield _Element(kind, content)


def _element(data: memoryview, position: int, order: str) -> tuple[int, memoryview, int]:
    """Type and content of the element at this position, and where the next one begins."""
    if position + 8 > len(data):
        raise DataError("it is cut in the middle of an element; restore the file")
    kind, size = np.frombuffer(data, dtype=order + "u4", count=2, offset=position).tolist()
    if kind >> 16:  # up to four bytes stand where the size would
        kind, size, begin, end = kind & 0xFFFF, kind >> 16, position + 4, position + 8
        if size > 4:
            raise DataError("a small element in it says it has more than four bytes; restore the file")
    else:
        begin = position + 8
        end = begin + size + (0 if kind == _COMPRESSED else -size % 8)
    if begin + size > len(data):
        raise DataError(f"an element in it declares {size:,} bytes where {len(data) - begin:,} are left; restore the file")
    return kind, data[begin : begin + size], end


def _inflated(packed: memoryview, order: str) -> tuple[int, memoryview]:
    """The one element that a compressed element holds."""
    inflate = zlib.decompressobj()
    try:
        tag = inflate.decompress(packed[:_PIECE], 8)
        if len(tag) < 8:
            raise DataError("a compressed element in it is cut; restore the file")
        kind, size = np.frombuffer(tag, dtype=order + "u4").tolist()
        if size > MOST_RATIO * len(packed) or size > MOST_BYTES:
            raise DataError(
                f"an element in it would become {size:,} bytes out of {len(packed):,}; no recording shrinks like that, "
                "refused for safety"
            )
        content, filled = bytearray(size), 0
        piece: bytes | memoryview = inflate.unconsumed_tail
        for stop in range(2 * _PIECE, len(packed) + 2 * _PIECE, _PIECE):
            # One byte more than declared would be given if there were one.
            found = inflate.decompress(piece, size - filled + 1)
            if filled + len(found) > size:
                break
            content[filled : filled + len(found)] = found
            filled += len(found)
            piece = packed[stop - _PIECE : stop]
    except zlib.error as error:
        raise DataError(f"a compressed element in it is damaged ({error}); restore the file") from None
    if filled < size or not inflate.eof:
        raise DataError(f"a compressed element in it declares {size:,} bytes and holds another number; restore the file")
    return kind, memoryview(content)


def _head(parts: Iterator[_Element], order: str) -> tuple[int, int, str]:
    """Class, flags and name of a matrix; its dimensions are checked where they matter."""
    flags = _numbers(next(parts, None), order)
    if len(flags) == 2 and flags[0] & 0xFF == _OPAQUE:
        return _OPAQUE, 0, ""
    shape = _numbers(next(parts, None), order)
    name = next(parts, None)
    if len(flags) != 2 or len(shape) < 2 or name is None:
        raise DataError("a matrix in it is incomplete; restore the file")
    word = int(flags[0])
    return word & 0xFF, word >> 8 & 0xFF, bytes(name.content).decode("latin-1").rstrip("\0")


def _fields(parts: Iterator[_Element], order: str) -> Mapping[str, np.ndarray | str]:
    width = _numbers(next(parts, None), order)
    names = next(parts, None)
    if len(width) != 1 or width[0] < 1 or names is None:
        raise DataError("a structure in it has no names of fields; restore the file")
    step = int(width[0])
    texts = bytes(names.content).decode("latin-1")
    called = [texts[i : i + step].partition("\0")[0] for i in range(0, len(texts), step)]
    fields: dict[str, np.ndarray | str] = {}
    for field in called:
        part = next(parts, None)
        if part is None or part.kind != _MATRIX:
            raise DataError(f"the field {field!r} of a structure in it is not there; restore the file")
        value = _value(part.content, order)
        if value is not None:
            fields[field] = value
    if next(parts, None) is not None:
        raise DataError("a structure in it holds more than one of each field, expected a single recording; save them apart")
    return fields


def _value(content: memoryview, order: str) -> np.ndarray | str | None:
    if not len(content):
        return np.zeros((0, 0))
    parts = list(_elements(content, order))
    kind, flags, _ = _head(iter(parts), order)
    if kind == _OPAQUE:
        return None
    shape = _numbers(parts[1], order).astype(np.int64)
    if kind == _CHARACTERS and len(parts) > 3:
        encoding = _TEXTS.get(parts[3].kind)
        if encoding is None:
            raise DataError(f"a text in it is of the unknown type {parts[3].kind}; restore the file")
        if encoding == "utf-16":
            encoding += "-le" if order == "<" else "-be"
        return bytes(parts[3].content).decode(encoding, errors="replace")
    if kind not in _NUMERIC or flags & _COMPLEX or len(parts) != 4:
        return None
    # MATLAB stores whole numbers in the smallest type that holds them, whatever the class of the matrix.
    numbers = _numbers(parts[3], order)
    if len(shape) != 2 or (shape < 0).any() or int(shape[0]) * int(shape[1]) != len(numbers):
        size = "×".join(map(str, shape.tolist()))
        raise DataError(f"a matrix in it is {size} and holds {len(numbers)} numbers; restore the file")
    return numbers.reshape(tuple(shape.tolist()), order="F").astype(np.float64)


def _numbers(element: _Element | None, order: str) -> np.ndarray:
    if element is None or element.kind not in _NUMBERS:
        what = "nothing" if element is None else f"an element of type {element.kind}"
        raise DataError(f"it holds {what} where numbers are expected; restore the file")
    dtype = np.dtype(order + _NUMBERS[element.kind])
    if len(element.content) % dtype.itemsize:
        raise DataError("an element in it ends in the middle of a number; restore the file")
    return np.frombuffer(element.content, dtype=dtype)
