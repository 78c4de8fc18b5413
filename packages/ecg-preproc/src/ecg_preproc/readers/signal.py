"""The signals of one WFDB record or segment, from digital samples to mV: checksums, skew, frames of several samples.

The MATLAB 4 files of the PhysioNet/CinC Challenges are format 16 behind a header of 24 bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from ecg_core.errors import DataError
from ecg_preproc.readers.files import read_bytes, read_range
from ecg_preproc.readers.header import Header, SignalLine
from ecg_preproc.readers.signal_files import SignalFile, check_bounds, check_mat, check_sizes, signal_files

__all__ = ["read_signal"]


def read_signal(
    header: Header,
    record: str | Path,
    root: str | Path,
    *,
    span: tuple[int, int] | None = None,
    checksum: bool = True,
) -> np.ndarray:
    """Decode the signal files of a record that is no multi-segment one.

    Args:
        header: Parsed header.
        record: Path of the record, without suffix; the signal files lie beside it.
        root: Folder that no link may leave.
        span: First sample, and the one after the last; ``None`` reads all. Of a part only its own bytes are read, and its
            checksum, which is that of the whole, is not compared.
        checksum: Compare the sum of the samples with the header's.

    Returns:
        ``(leads, samples)`` float32 in mV; samples the standard marks as invalid are NaN, and so is what a skewed signal
        lacks at its end.

    Raises:
        DataError: A file is missing, cut, longer than stated, or altered, or the span leaves the record.
        MissingExtraError: A file's format needs the ``wfdb`` package.
    """
    folder = os.path.dirname(record)
    files = signal_files(header)
    n_samples = check_sizes(header, folder, root, files=files)  # before anything is read: a wrong size must not fill the memory
    start, stop = (0, n_samples) if span is None else span
    check_bounds(start, stop, n_samples)
    k, frames = header.per_frame, n_samples // header.per_frame
    first, last = start // k, -(-stop // k)
    wanted = checksum and header.has_checksums
    blocks = []
    for file in files:
        path = os.path.join(folder, file.name)
        # A signal that comes late in the file has its last samples behind those of the others.
        end = min(last + file.skew, frames)
        whole = first == 0 and end == frames
        digital = _whole(path, record, root, file, frames) if whole else _part(path, record, root, file, first, end, frames)
        blocks.append(_signals(digital, file, k, last - first, checksum=wanted and whole))
    signal = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    if header.left_out:  # only now: their checksums were compared with those of the others
        signal = signal[[not line.other for line in header.signals]]
    return signal if k == 1 else signal[:, start - first * k : stop - first * k]


def _whole(path: str, record: str | Path, root: str | Path, file: SignalFile, frames: int) -> np.ndarray:
    """All frames, ``(frames, file.width)`` integers."""
    decode, count = file.format.decode, frames * file.width
    if decode is None:
        return _by_wfdb(record, file, 0, frames)
    content = read_bytes(path, root, limit=file.offset + file.format.padded(count))
    if len(content) < file.size(frames):  # since its size was looked at
        raise DataError(f"{file.name!r} became shorter while it was read; read it again")
    if file.is_mat:
        check_mat(content, file, frames)
    return decode(content, count, file.offset).reshape(frames, file.width)


def _part(path: str, record: str | Path, root: str | Path, file: SignalFile, first: int, end: int, frames: int) -> np.ndarray:
    """Frames ``first`` up to ``end``, ``(end - first, file.width)`` integers, from no more bytes than they take."""
    form, width = file.format, file.width
    if form.decode is None:
        return _by_wfdb(record, file, first, end)
    if file.is_mat:
        check_mat(read_range(path, root, 0, 16), file, frames)
    # A frame of packed samples may begin within a group: then the group is read, and what precedes the frame left out.
    groups, before = divmod(first * width, form.samples)
    content = read_range(path, root, file.offset + groups * form.bytes, file.size(end))
    return form.decode(content, before + (end - first) * width, 0)[before:].reshape(end - first, width)


def _by_wfdb(record: str | Path, file: SignalFile, first: int, end: int) -> np.ndarray:
    from ecg_preproc.readers.fallback import decode_by_wfdb  # rarely needed

    return decode_by_wfdb(record, file, first, end)


def _signals(digital: np.ndarray, file: SignalFile, k: int, frames: int, *, checksum: bool) -> np.ndarray:
    """The leads of one file, ``(leads, frames * k)`` float32 in mV."""
    lines = file.lines
    if k == 1 and file.width == len(lines):
        # Copying to (leads, samples) while still in few bytes is what makes the steps below fast.
        samples = np.ascontiguousarray(digital.T)
        if checksum:
            _check_sums(samples, file)
        millivolts = _to_mv(samples, lines, file.format.invalid)
    elif file.width == k * len(lines):
        samples = np.ascontiguousarray(digital.reshape(-1, len(lines), k).transpose(1, 0, 2)).reshape(len(lines), -1)
        if checksum:
            _check_sums(samples, file)
        millivolts = _to_mv(samples, lines, file.format.invalid)
    else:
        millivolts = _averaged(digital, file, checksum=checksum)
    return _aligned(millivolts, [line.storage.skew * k for line in lines], frames * k) if file.skew else millivolts


def _averaged(digital: np.ndarray, file: SignalFile, *, checksum: bool) -> np.ndarray:
    """One sample per frame: the mean of those that a lead has in it, NaN if one of them is invalid."""
    rows, column = [], 0
    sums: list[int] = []
    for line in file.lines:
        inside = digital[:, column : column + line.storage.per_frame]
        column += line.storage.per_frame
        samples = np.ascontiguousarray(inside).reshape(1, -1)
        sums.append(int(_sums(samples)[0]))
        millivolts = _to_mv(samples, [line], file.format.invalid).reshape(inside.shape)
        rows.append(millivolts.mean(axis=1, dtype=np.float64).astype(np.float32))
    if checksum:
        _compare_sums(sums, file)
    return np.stack(rows)


def _aligned(signal: np.ndarray, skews: list[int], length: int) -> np.ndarray:
    """Each lead begun as many samples later as it is skewed."""
    aligned = np.full((len(skews), length), np.nan, dtype=np.float32)
    for row, skew in enumerate(skews):
        there = signal[row, skew : skew + length]
        aligned[row, : len(there)] = there
    return aligned


def _sums(samples: np.ndarray) -> np.ndarray:
    # Wraps at 65536, as the standard wants.
    return np.add.reduce(samples, axis=1, dtype=np.int16).view(np.uint16)


def _check_sums(samples: np.ndarray, file: SignalFile) -> None:
    _compare_sums(_sums(samples).tolist(), file)


def _compare_sums(sums: Sequence[int], file: SignalFile) -> None:
    for line, found in zip(file.lines, sums, strict=True):
        if found != line.checksum:
            raise DataError(
                f"the samples of lead {line.lead} in {file.name!r} sum to {found}, the header's checksum is {line.checksum}; "
                "one of them was altered, restore both or read with checksum=False"
            )


def _to_mv(digital: np.ndarray, lines: Sequence[SignalLine], invalid: int | None) -> np.ndarray:
    narrow = digital.itemsize < 4 or invalid == -(2**23)
    gains, baselines = _scale(tuple(line.gain for line in lines), tuple(line.baseline for line in lines), narrow)
    millivolts = digital.astype(gains.dtype)
    if baselines is not None:
        millivolts -= baselines
    millivolts /= gains
    if invalid is not None and digital.min() == invalid:
        millivolts[digital == invalid] = np.nan
    return millivolts.astype(np.float32, copy=False)


@lru_cache(maxsize=256)  # the same in all records of a recorder
def _scale(gains: tuple[float, ...], baselines: tuple[int, ...], narrow: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Gains and, where there are any, baselines as columns of numbers in which the millivolts are exact."""
    # float32 is exact for integers up to 2**24, and then the quotient is the correctly rounded one.
    fits = narrow and max(map(abs, baselines)) < 2**23 and all(float(np.float32(gain)) == gain for gain in gains)
    exact: type[np.floating] = np.float32 if fits else np.float64
    return np.array(gains, dtype=exact)[:, None], np.array(baselines, dtype=exact)[:, None] if any(baselines) else None
