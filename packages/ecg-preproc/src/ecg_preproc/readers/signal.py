"""Signal files of a WFDB record: sizes checked against the header first, then decoded to mV.

Formats 16 and 212 (signal(5) of the WFDB Applications Guide) and the MATLAB 4 files of the PhysioNet/CinC Challenges,
which are format 16 behind a header of 24 bytes. Nothing is allocated that the size of the file does not justify.
"""

from __future__ import annotations

import math
import os
from itertools import groupby
from pathlib import Path

import numpy as np

from ecg_core.errors import DataError
from ecg_preproc.readers.files import read_bytes, regular_size
from ecg_preproc.readers.header import FORMATS, Header, SignalLine

__all__ = ["check_sizes", "decode_16", "decode_212", "read_signal"]

# MATLAB 4: five int32 words (type, rows, columns, imaginary, length of the name), then the name.
_MAT4_LITTLE_ENDIAN_INT16 = 30


def check_sizes(header: Header, folder: str | Path, root: str | Path) -> int:
    """Compare each signal file's size with the header, without opening it; returns the samples per lead.

    Args:
        header: Parsed header.
        folder: Where its signal files are.
        root: Folder that no link may leave.

    Raises:
        DataError: A file is missing, not regular, too short or too long.
    """
    n_samples = header.n_samples
    for file, lines in _files(header):
        n_samples = _samples(regular_size(os.path.join(folder, file), root), lines, n_samples)
    assert n_samples is not None  # a header has at least one signal
    return n_samples


def read_signal(header: Header, folder: str | Path, root: str | Path, *, checksum: bool = True) -> np.ndarray:
    """Decode every signal file of a record.

    Args:
        header: Parsed header.
        folder: Where its signal files are.
        root: Folder that no link may leave.
        checksum: Compare the sum of the samples with the header's.

    Returns:
        ``(leads, samples)`` float32 in mV; samples the standard marks as invalid are NaN.

    Raises:
        DataError: A file is missing, cut, longer than stated, or altered.
    """
    n_samples = check_sizes(header, folder, root)  # before anything is read: a wrong size must not fill the memory
    blocks = []
    for file, lines in _files(header):
        content = read_bytes(os.path.join(folder, file), root, limit=_expected_bytes(lines, n_samples) + 1)
        _samples(len(content), lines, n_samples)
        if lines[0].offset:
            _check_mat(content, lines, n_samples)
        decode = decode_16 if lines[0].format == 16 else decode_212
        digital = decode(content, len(lines) * n_samples, lines[0].offset)
        # Copying to (leads, samples) while still in 2 bytes is what makes the steps below fast.
        digital = np.ascontiguousarray(digital.reshape(n_samples, len(lines)).T)
        if checksum and header.has_checksums:
            _check_sums(digital, lines)
        blocks.append(_to_mv(digital, lines))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def decode_16(content: bytes, count: int, offset: int = 0) -> np.ndarray:
    """``count`` samples of format 16 (two's complement, little-endian), ``(count,)`` int16."""
    return np.frombuffer(content, dtype="<i2", count=count, offset=offset)


def decode_212(content: bytes, count: int, offset: int = 0) -> np.ndarray:
    """``count`` samples of format 212 (two of 12 bits in three bytes), ``(count,)`` int16."""
    pairs = (count + 1) // 2
    packed = np.frombuffer(content, dtype=np.uint8, offset=offset)[: 3 * pairs]
    if len(packed) < 3 * pairs:  # an odd count may end after the second byte
        packed = np.concatenate([packed, np.zeros(3 * pairs - len(packed), np.uint8)])
    low, middle, high = packed[0::3], packed[1::3].view(np.int8), packed[2::3]
    # Each sample is a low byte and half of the middle one, whose shift extends the sign: written as the two bytes of an int16.
    samples = np.empty(2 * pairs, dtype="<i2")
    halves = samples.view(np.uint8).reshape(pairs, 4)
    halves[:, 0], halves[:, 1] = low, (middle << 4 >> 4).view(np.uint8)
    halves[:, 2], halves[:, 3] = high, (middle >> 4).view(np.uint8)
    return samples[:count]


def _files(header: Header) -> list[tuple[str, list[SignalLine]]]:
    files = [(file, list(lines)) for file, lines in groupby(header.signals, key=lambda signal: signal.file)]
    if len({file for file, _ in files}) < len(files):
        raise DataError("the signals of one file do not stand together in the header; restore their order")
    for file, lines in files:
        if any((line.format, line.offset) != (lines[0].format, lines[0].offset) for line in lines):
            raise DataError(f"the signals of {file!r} differ in format or offset, expected one of each; correct the header")
    return files


def _expected_bytes(lines: list[SignalLine], n_samples: int) -> int:
    return lines[0].offset + math.ceil(n_samples * len(lines) * FORMATS[lines[0].format])


def _samples(size: int, lines: list[SignalLine], stated: int | None) -> int:
    first = lines[0]
    if stated is None:
        stated = int((size - first.offset) / (FORMATS[first.format] * len(lines)))
        if stated < 1:
            raise DataError(f"the signal file {first.file!r} holds no samples ({size} bytes); restore it")
    expected = _expected_bytes(lines, stated)
    # An odd number of 12-bit samples may be padded to a whole group of three bytes.
    padded = first.format == 212 and stated * len(lines) % 2 and size == expected + 1
    if size != expected and not padded:
        wrong = "the file is cut" if size < expected else "the header or the file is wrong"
        raise DataError(
            f"{first.file!r} has {size} bytes, expected {expected} for {len(lines)} signal(s) of {stated} samples "
            f"in format {first.format}; {wrong}, restore it"
        )
    return stated


def _check_mat(content: bytes, lines: list[SignalLine], n_samples: int) -> None:
    if not lines[0].file.lower().endswith(".mat"):
        return
    expected = (_MAT4_LITTLE_ENDIAN_INT16, len(lines), n_samples, 0)
    found = tuple(np.frombuffer(content, dtype="<i4", count=4).tolist()) if lines[0].offset >= 20 else ()
    if found != expected:
        raise DataError(
            f"{lines[0].file!r} is not a MATLAB 4 file of {len(lines)} x {n_samples} 16-bit integers "
            f"(it begins with {found}, expected {expected}); restore it or save it with -v4"
        )


def _check_sums(digital: np.ndarray, lines: list[SignalLine]) -> None:
    sums = np.add.reduce(digital, axis=1, dtype=np.int16)  # wraps at 65536, as the standard wants
    for line, found in zip(lines, sums.view(np.uint16).tolist(), strict=True):
        if found != line.checksum:
            raise DataError(
                f"the samples of lead {line.lead} in {line.file!r} sum to {found}, the header's checksum is {line.checksum}; "
                "one of them was altered, restore both or read with checksum=False"
            )


def _to_mv(digital: np.ndarray, lines: list[SignalLine]) -> np.ndarray:
    gains, baselines = [line.gain for line in lines], [line.baseline for line in lines]
    # float32 is exact for integers up to 2**24, and then the quotient is the correctly rounded one.
    fits = max(map(abs, baselines)) < 2**23 and all(float(np.float32(gain)) == gain for gain in gains)
    exact: type[np.floating] = np.float32 if fits else np.float64
    millivolts = digital.astype(exact)
    if any(baselines):
        millivolts -= np.array(baselines, dtype=exact)[:, None]
    millivolts /= np.array(gains, dtype=exact)[:, None]
    invalid = -32768 if lines[0].format == 16 else -2048
    if digital.min() == invalid:
        millivolts[digital == invalid] = np.nan
    return millivolts.astype(np.float32, copy=False)
