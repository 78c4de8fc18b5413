"""Compressed signal files (WFDB formats 508, 516 and 524): what a FLAC file says of itself, before it is decoded.

Format: RFC 9639, "Free Lossless Audio Codec", section 8.2 (STREAMINFO).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ecg_core.errors import DataError
from ecg_preproc.readers.files import read_range

__all__ = ["check_flac"]

_STREAMINFO_END = 42  # "fLaC", four bytes of block header, 34 of content

# An ECG shrinks to a half or a third; far beyond that a small file is made to fill the memory. Small recordings may be flat.
_MAX_RATIO, _ALWAYS_ALLOWED = 100, 1 << 24


def check_flac(
    path: str | Path,
    root: str | Path,
    size: int,
    frames: int | None,
    *,
    channels: int,
    per_frame: Sequence[int],
    bits: int,
    offset: int,
) -> int:
    """Compare what a FLAC file states of itself with the header; returns the number of frames.

    Args:
        path: The file.
        root: Folder it must not leave.
        size: Its size in bytes.
        frames: Stated in the header, if any.
        channels: Signals in the file.
        per_frame: Samples per frame of each.
        bits: Most bits of a sample.
        offset: Samples before the first.

    Raises:
        DataError: They contradict each other, or the file would decode to far more than it is.
    """
    name = os.path.basename(path)
    head = read_range(path, root, 0, _STREAMINFO_END) if size >= _STREAMINFO_END else b""
    if head[:4] != b"fLaC" or head[4] & 0x7F:
        raise DataError(f"{name!r} is not a FLAC file, expected one for its WFDB format; restore it or correct the header")
    packed = int.from_bytes(head[18:26], "big")  # 20 bits of sampling frequency, 3 channels, 5 bits per sample, 36 samples
    found_channels, found_bits, total = (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
    if len(set(per_frame)) > 1:
        raise DataError(f"the signals of {name!r} differ in samples per frame, which a FLAC file cannot hold; correct the header")
    if (found_channels, found_bits <= bits) != (channels, True):
        raise DataError(
            f"{name!r} holds {found_channels} channel(s) of {found_bits} bits, expected {channels} of at most {bits}; "
            "correct the header or restore the file"
        )
    held = (total - offset) // per_frame[0]
    if total - offset < 1 or (frames is not None and total - offset != frames * per_frame[0]):
        wanted = "at least 1" if frames is None else str(frames * per_frame[0])
        raise DataError(
            f"{name!r} holds {total - offset} samples per signal, expected {wanted}; restore it or correct the header"
        )
    if 4 * total * channels > max(_ALWAYS_ALLOWED, _MAX_RATIO * size):
        raise DataError(
            f"{name!r} has {size} bytes and would decode to {4 * total * channels}, more than {_MAX_RATIO} times as many; "
            "refused, no ECG shrinks that far"
        )
    return held
