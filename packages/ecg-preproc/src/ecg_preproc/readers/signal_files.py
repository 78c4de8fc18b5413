"""What the signal files of a WFDB record must look like: which lines share a file, and how many bytes it has to have.

Everything here looks at sizes, and at the first bytes where a format states its own length; no signal is decoded, so that
nothing is allocated which the size of a file does not justify.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from ecg_core.errors import DataError
from ecg_preproc.readers.files import regular_size
from ecg_preproc.readers.flac import check_flac
from ecg_preproc.readers.formats import FORMATS, Format
from ecg_preproc.readers.header import Header, SignalLine

__all__ = ["SignalFile", "check_bounds", "check_mat", "check_sizes", "signal_files"]

# MATLAB 4: five int32 words (type, rows, columns, imaginary, length of the name), then the name.
_MAT4_LITTLE_ENDIAN_INT16 = 30


@dataclass(frozen=True, slots=True)
class SignalFile:
    """One signal file and the header lines that lie in it.

    Args:
        name: Plain file name.
        first: Index of its first signal in the header.
        lines: Its signals, in order.
        format: How they are stored.
        offset: Bytes before the first sample; samples in a compressed file.
        width: Samples in a frame, of all signals together.
        skew: Frames that the latest signal comes late.
    """

    name: str
    first: int
    lines: tuple[SignalLine, ...]
    format: Format
    offset: int
    width: int
    skew: int

    @property
    def is_mat(self) -> bool:
        """Whether this is a matrix of MATLAB; raw samples may bear that suffix too, and then begin at once."""
        return self.offset > 0 and self.name.lower().endswith(".mat")

    @property
    def number(self) -> int:
        """The number of the storage format."""
        return self.lines[0].storage.format

    def size(self, frames: int) -> int:
        """Fewest bytes of a whole file with so many frames."""
        return self.offset + self.format.size(frames * self.width)


def signal_files(header: Header) -> tuple[SignalFile, ...]:
    """The files of a record, in the order of the header.

    Raises:
        DataError: The lines of one file do not stand together, or differ in format or offset.
    """
    files = tuple(_grouped(header.signals))
    if len(files) > 1 and len({file.name for file in files}) < len(files):
        raise DataError("the signals of one file do not stand together in the header; restore their order")
    return files


def _grouped(signals: tuple[SignalLine, ...]) -> Iterator[SignalFile]:
    first = 0
    for name, group in groupby(signals, key=lambda signal: signal.file):
        lines = tuple(group)
        stored = {line.storage for line in lines}
        if len({(one.format, one.offset) for one in stored}) > 1:
            raise DataError(f"the signals of {name!r} differ in format or offset, expected one of each; correct the header")
        one = lines[0].storage
        width = len(lines) * one.per_frame if len(stored) == 1 else sum(line.storage.per_frame for line in lines)
        yield SignalFile(name, first, lines, FORMATS[one.format], one.offset, width, max(one.skew for one in stored))
        first += len(lines)


def check_sizes(header: Header, folder: str | Path, root: str | Path, *, files: tuple[SignalFile, ...] | None = None) -> int:
    """Compare each signal file's size with the header; returns the samples per lead.

    Args:
        header: Parsed header of one segment.
        folder: Where its signal files are.
        root: Folder that no link may leave.
        files: What :func:`signal_files` gives, where it is known already.

    Raises:
        DataError: A file is missing, not regular, too short or too long.
    """
    frames = None if header.n_samples is None else header.n_samples // header.per_frame
    for file in files or signal_files(header):
        path = os.path.join(folder, file.name)
        size = regular_size(path, root)
        if file.format.compressed:
            lines = file.lines
            frames = check_flac(
                path, root, size, frames, channels=len(lines), per_frame=[line.storage.per_frame for line in lines],
                bits=8 * file.format.bytes, offset=file.offset,
            )  # fmt: skip
        else:
            frames = _check_size(size, file, frames)
        if file.skew >= frames:
            raise DataError(f"a signal of {file.name!r} is skewed by {file.skew} of {frames} samples; correct the header")
    assert frames is not None  # a header has at least one signal
    return frames * header.per_frame


def _check_size(size: int, file: SignalFile, stated: int | None) -> int:
    if stated is None:
        stated = max(0, (size - file.offset) * file.format.samples // (file.format.bytes * file.width))
        if stated < 1:
            raise DataError(f"the signal file {file.name!r} holds no samples ({size} bytes); restore it")
    expected = file.size(stated)
    # Samples that are packed in groups may be padded to a whole group.
    if not expected <= size <= file.offset + file.format.padded(stated * file.width):
        wrong = "the file is cut" if size < expected else "the header or the file is wrong"
        raise DataError(
            f"{file.name!r} has {size} bytes, expected {expected} for {len(file.lines)} signal(s) of {stated} samples "
            f"in format {file.number}; {wrong}, restore it"
        )
    return stated


def check_bounds(start: int, stop: int, n_samples: int) -> None:
    """See that samples ``start`` up to ``stop`` are there.

    Raises:
        DataError: They are not.
    """
    if not 0 <= start < stop <= n_samples:
        raise DataError(f"samples [{start}, {stop}) were asked of a recording of {n_samples}; ask for samples it has")


def check_mat(head: bytes, file: SignalFile, frames: int) -> None:
    """See that a ``.mat`` file is MATLAB 4 and holds the matrix that the header describes.

    MATLAB 5 files, which may be compressed a thousandfold, are refused.

    Args:
        head: The first 16 bytes of the file, or more.
        file: What the header says of it.
        frames: Samples per lead.

    Raises:
        DataError: It is something else.
    """
    expected = (_MAT4_LITTLE_ENDIAN_INT16, len(file.lines), frames, 0)
    found = tuple(np.frombuffer(head, dtype="<i4", count=4).tolist()) if file.offset >= 20 else ()
    if found != expected:
        raise DataError(
            f"{file.name!r} is not a MATLAB 4 file of {len(file.lines)} x {frames} 16-bit integers "
            f"(it begins with {found}, expected {expected}); restore it or save it with -v4"
        )
