"""How the samples of a window are stored: as integers with one scale per window, or as floats; compressed without loss or not."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ecg_core.errors import DataError

__all__ = ["Compression", "Encoding", "StoredAs"]

StoredAs = Literal["int16", "float16", "float32"]
Compression = Literal["none", "zlib"]

_DTYPES: dict[str, str] = {"int16": "<i2", "float16": "<f2", "float32": "<f4"}
_ORDERS = 4  # highest order of differences tried, as in FLAC's fixed predictors


@dataclass(frozen=True)
class Encoding:
    """The form of a store's samples.

    Args:
        dtype: ``"int16"`` divides each window by a scale of its own, so that its largest amplitude becomes 32767: an error of
            at most 1.5e-5 of it, half the size of float32. ``"float16"`` keeps 11 bits of every sample, in mV;
            ``"float32"`` keeps all.
        compression: ``"zlib"`` stores differences between neighbouring samples, deflated; without loss, for int16 only, at
            a tenth of the reading speed.

    Raises:
        DataError: An unknown word, or floats to be compressed.
    """

    dtype: StoredAs = "int16"
    compression: Compression = "none"

    def __post_init__(self) -> None:
        for name, choices in (("dtype", get_args(StoredAs)), ("compression", get_args(Compression))):
            if getattr(self, name) not in choices:
                raise DataError(f"{name} is one of {', '.join(choices)}, got {getattr(self, name)!r}")
        if self.compression != "none" and self.dtype != "int16":
            raise DataError(f"only int16 is compressed, got dtype={self.dtype!r}; leave the compression out or store int16")

    @property
    def suffix(self) -> str:
        """Of a shard's file."""
        return {"int16": ".i16", "float16": ".f16", "float32": ".f32"}[self.dtype] + ("" if self.compression == "none" else "z")

    @property
    def numpy_dtype(self) -> np.dtype:
        """Little-endian on every machine."""
        return np.dtype(_DTYPES[self.dtype])

    def encode(self, signal: np.ndarray) -> tuple[bytes, float]:
        """The bytes of a window ``(leads, samples)`` in mV, and the mV that one unit of them is worth."""
        if self.dtype != "int16":
            return np.ascontiguousarray(signal, dtype=self.numpy_dtype).tobytes(), 1.0
        scale = float(np.float32(max(signal.max(), -signal.min()) / 32767.0)) or 1.0
        digital = np.divide(signal, np.float32(scale), dtype=np.float32)
        digital = np.rint(digital, out=digital).clip(-32767, 32767, out=digital).astype("<i2")
        return (_packed(digital) if self.compression == "zlib" else digital.tobytes()), scale

    def decode(self, content: bytes, shape: tuple[int, int]) -> np.ndarray:
        """The stored numbers of a window, before they are multiplied by its scale.

        Raises:
            DataError: The bytes are no window of this shape.
        """
        if self.compression == "zlib":
            return _unpacked(content, shape)
        return np.frombuffer(content, dtype=self.numpy_dtype).reshape(shape)


def _packed(digital: np.ndarray) -> bytes:
    """Orders of the leads' differences, high bytes of the zigzag-coded differences, deflated; then their low bytes, deflated."""
    # Differences wrap around at 16 bits, and so do the sums that undo them: nothing is lost whatever the signal does.
    candidates = [digital]
    for _ in range(_ORDERS):
        candidates.append(np.diff(candidates[-1], axis=1, prepend=np.int16(0)))
    costs = np.stack([np.abs(c[:, _ORDERS:].astype(np.float32)).sum(axis=1) for c in candidates])
    orders = costs.argmin(axis=0).astype(np.uint8)
    residual = np.stack([candidates[order][lead] for lead, order in enumerate(orders)])
    zigzag = ((residual << 1) ^ (residual >> 15)).astype("<u2")
    low, high = zigzag.view(np.uint8).reshape(-1, 2).T
    # Low bytes hardly ever repeat: searching them for repetitions takes longer and gains nothing over counting them.
    counted = zlib.compressobj(strategy=zlib.Z_HUFFMAN_ONLY)
    return zlib.compress(orders.tobytes() + high.tobytes()) + counted.compress(low.tobytes()) + counted.flush()


def _unpacked(content: bytes, shape: tuple[int, int]) -> np.ndarray:
    leads, samples = shape
    first, rest = _inflated(content, leads + leads * samples)
    low, rest = _inflated(rest, leads * samples)
    if rest:
        raise DataError("a compressed window is followed by other bytes; check the store with `ecg prep --verify`")
    zigzag = np.frombuffer(first, dtype=np.uint8, offset=leads).astype("<u2").reshape(shape) << 8
    zigzag |= np.frombuffer(low, dtype=np.uint8).reshape(shape)
    digital = (zigzag >> 1).astype("<i2") ^ -(zigzag & 1).astype("<i2")
    orders = np.frombuffer(first, dtype=np.uint8, count=leads)
    for order in range(1, _ORDERS + 1):
        some = orders >= order
        if some.any():
            digital[some] = np.cumsum(digital[some], axis=1, dtype=np.int16)
    return digital


def _inflated(content: bytes, expected: int) -> tuple[bytes, bytes]:
    """The first stream, which must hold so many bytes (more are never allocated), and what follows it."""
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(content, expected)
        more = stream.decompress(stream.unconsumed_tail, 1) if not stream.eof else b""
    except zlib.error as error:
        raise DataError(f"a compressed window is damaged ({error}); check the store with `ecg prep --verify`") from None
    if len(inflated) != expected or more or not stream.eof:
        raise DataError(f"a compressed window holds other than {expected} bytes; check the store with `ecg prep --verify`")
    return inflated, stream.unused_data
