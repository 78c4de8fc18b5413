"""The storage formats of WFDB signal files: how many bytes they take, and how bytes become digital samples.

Standard: signal(5) of the WFDB Applications Guide (Moody), https://physionet.org/physiotools/wag/signal-5.htm.
A format without a decoder here is read through the ``wfdb`` package (:mod:`~ecg_preproc.readers.fallback`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

__all__ = ["FORMATS", "NULL_FORMAT", "Decoder", "Format"]

Decoder = Callable[[bytes, int, int], np.ndarray]

# "No samples are stored": what the leads of a layout header are written in.
NULL_FORMAT = 0


@dataclass(frozen=True, slots=True)
class Format:
    """One storage format.

    Args:
        samples: Samples of a group, the smallest piece that begins at a byte.
        bytes: Bytes of a group.
        invalid: The digital value that means "no sample here"; ``None`` when the format has none.
        decode: ``(content, count, offset) -> (count,)`` integers; ``offset`` is in bytes and begins a group. ``None`` when
            the ``wfdb`` package is needed.
        compressed: The size of the file does not follow from the number of samples (FLAC).
    """

    samples: int
    bytes: int
    invalid: int | None
    decode: Decoder | None = None
    compressed: bool = False

    def size(self, count: int) -> int:
        """Fewest bytes that hold ``count`` samples: the last group may end after its last needed byte."""
        return -(-count * self.bytes // self.samples)

    def padded(self, count: int) -> int:
        """Bytes of ``count`` samples when the last group is written whole."""
        return -(-count // self.samples) * self.bytes


def decode_16(content: bytes, count: int, offset: int = 0) -> np.ndarray:
    """Format 16: two bytes, two's complement, least significant first. ``(count,)`` int16."""
    return np.frombuffer(content, dtype="<i2", count=count, offset=offset)


def decode_24(content: bytes, count: int, offset: int = 0) -> np.ndarray:
    """Format 24: three bytes, two's complement, least significant first. ``(count,)`` int32."""
    # Each as the three upper bytes of a word that overlaps the one before, shifted down: that extends the sign.
    if not offset:
        content, offset = b"\0" + content, 1
    return np.ndarray(count, dtype="<i4", buffer=content, offset=offset - 1, strides=(3,)) >> 8


def decode_32(content: bytes, count: int, offset: int = 0) -> np.ndarray:
    """Format 32: four bytes, two's complement, least significant first. ``(count,)`` int32."""
    return np.frombuffer(content, dtype="<i4", count=count, offset=offset)


def decode_61(content: bytes, count: int, offset: int = 0) -> np.ndarray:
    """Format 61: format 16 with the most significant byte first. ``(count,)`` int16."""
    return np.frombuffer(content, dtype=">i2", count=count, offset=offset).astype("<i2")


def decode_80(content: bytes, count: int, offset: int = 0) -> np.ndarray:
    """Format 80: one byte in offset binary (128 is zero). ``(count,)`` int8."""
    # Subtracting half the range is flipping the top bit.
    return (np.frombuffer(content, dtype=np.uint8, count=count, offset=offset) ^ 0x80).view(np.int8)


def decode_160(content: bytes, count: int, offset: int = 0) -> np.ndarray:
    """Format 160: two bytes in offset binary (32768 is zero), least significant first. ``(count,)`` int16."""
    return (np.frombuffer(content, dtype="<u2", count=count, offset=offset) ^ 0x8000).view("<i2")


def decode_212(content: bytes, count: int, offset: int = 0) -> np.ndarray:
    """Format 212: two samples of 12 bits in three bytes, two's complement. ``(count,)`` int16."""
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


FORMATS: Mapping[int, Format] = MappingProxyType(
    {
        8: Format(1, 1, None),
        16: Format(1, 2, -(2**15), decode_16),
        24: Format(1, 3, -(2**23), decode_24),
        32: Format(1, 4, -(2**31), decode_32),
        61: Format(1, 2, -(2**15), decode_61),
        80: Format(1, 1, -(2**7), decode_80),
        160: Format(1, 2, -(2**15), decode_160),
        212: Format(2, 3, -(2**11), decode_212),
        310: Format(3, 4, -(2**9)),
        311: Format(3, 4, -(2**9)),
        508: Format(1, 1, -(2**7), compressed=True),
        516: Format(1, 2, -(2**15), compressed=True),
        524: Format(1, 3, -(2**23), compressed=True),
    }
)
