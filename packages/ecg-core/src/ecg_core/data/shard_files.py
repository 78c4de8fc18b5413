"""Shard files, opened: the samples of any window of a store, straight from disk."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecg_core.data.encoding import Encoding
from ecg_core.errors import DataError

__all__ = ["ShardFiles"]


class ShardFiles:
    """The shards of a store, mapped into memory when the first window is asked for.

    Args:
        folder: Where they are.
        entries: ``file``, ``windows`` and ``bytes`` of each.
        table: Where each window is: columns ``shard``, ``row`` and ``scale``, and ``offset`` and ``bytes`` if compressed.
        encoding: How the samples are stored.
        shape: ``(leads, samples)`` of a window.
    """

    def __init__(
        self,
        folder: Path,
        entries: Sequence[Mapping[str, Any]],
        table: pd.DataFrame,
        encoding: Encoding,
        shape: tuple[int, int],
    ) -> None:
        self.folder = folder
        self.entries = entries
        self.encoding = encoding
        self.shape = shape
        self.packed = encoding.compression != "none"
        # Lists, because reading one window asks for one value of each.
        self._shard: list[int] = table["shard"].tolist()
        self._row: list[int] = table["row"].tolist()
        self._scale: list[float] = table["scale"].tolist()
        if self.packed:
            self._spans = [(a, a + n) for a, n in zip(table["offset"].tolist(), table["bytes"].tolist(), strict=True)]
        else:
            size = shape[0] * shape[1] * encoding.numpy_dtype.itemsize
            self._spans = [(row * size, (row + 1) * size) for row in self._row]

    @cached_property
    def _opened(self) -> list[np.ndarray]:
        """Each shard as it lies on disk: ``(windows, leads, samples)``, or ``(bytes,)`` where it is compressed."""
        dtype = self.encoding.numpy_dtype
        opened = []
        for entry in self.entries:
            file = self.folder / entry["file"]
            expected = entry["bytes"] if self.packed else entry["windows"] * self.shape[0] * self.shape[1] * dtype.itemsize
            actual = file.stat().st_size if file.is_file() else -1
            if actual != expected:
                found = "is missing" if actual < 0 else f"has {actual} bytes instead of {expected}"
                raise DataError(f"{file} {found}; prepare the store again")
            # A shard whose recordings were all refused is an empty file, which cannot be mapped.
            raw = np.memmap(file, dtype=np.uint8, mode="r") if expected else np.empty(0, dtype=np.uint8)
            # A plain view: each access to a memmap would make another memmap, which costs more than the copy.
            raw = raw.view(np.ndarray)
            opened.append(raw if self.packed else raw.view(dtype).reshape(-1, *self.shape))
        return opened

    def signals(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """``(windows, leads, samples)`` float32 in mV of the windows with these row numbers.

        Raises:
            DataError: A shard is missing or of another size, or a compressed window is damaged.
        """
        shards, shard, row, scale = self._opened, self._shard, self._row, self._scale
        out = np.empty((len(indices), *self.shape), dtype=np.float32)
        # Negative numbers count from the end, as everywhere; converting and scaling is one pass over each window.
        for place, index in enumerate(indices):
            stored = self._unpacked(index) if self.packed else shards[shard[index]][row[index]]
            np.multiply(stored, np.float32(scale[index]), out=out[place], dtype=np.float32)
        return out

    def crc32(self, index: int) -> int:
        """Checksum of a window as it is stored."""
        return zlib.crc32(self._stored(index))

    def _unpacked(self, index: int) -> np.ndarray:
        return self.encoding.decode(self._stored(index), self.shape)

    def _stored(self, index: int) -> bytes:
        begin, end = self._spans[index]
        return self._opened[self._shard[index]].reshape(-1).view(np.uint8)[begin:end].tobytes()
