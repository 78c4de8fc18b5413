"""Marks: the annotated positions of many recordings, by name; what a store keeps of annotations.

A recording's marks stand on the time axis of the store, from the first sample of its first window on, so that a rhythm that began
three windows ago is still known. The file is an ``.npz`` of three plain arrays, the same bytes whoever writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from ecg_core.errors import DataError

__all__ = ["Marks"]


class Marks:
    """Positions by name, of recordings by number.

    Args:
        names: Of the annotations, such as ``"r_peaks"`` or ``"wave/p_on/II"``.
        counts: ``(names, recordings)``, how many positions each recording has under each name.
        positions: All of them in this order, in samples of the store.

    Raises:
        DataError: The three do not belong together.
    """

    def __init__(self, names: Sequence[str], counts: np.ndarray, positions: np.ndarray) -> None:
        self.names = tuple(map(str, names))
        fits = counts.ndim == 2 and positions.ndim == 1 and len(counts) == len(self.names) and (counts >= 0).all()
        if not fits or counts.sum() != len(positions):
            raise DataError(f"{counts.shape} counts do not describe {positions.shape} positions of {len(self.names)} names")
        self.counts = counts
        self.positions = positions

    @classmethod
    def of(cls, recordings: Iterable[Mapping[str, Sequence[int] | np.ndarray]]) -> Self:
        """From the annotations of each recording; positions are sorted."""
        each = list(recordings)
        names = sorted({name for annotations in each for name in annotations})
        found = [[np.sort(np.asarray(a.get(name, ()), dtype=np.int64)) for a in each] for name in names]
        counts = np.array([[len(p) for p in row] for row in found], dtype=np.int64).reshape(len(names), len(each))
        flat = [p for row in found for p in row]
        return cls(names, counts, np.concatenate(flat) if flat else np.zeros(0, np.int64))

    def save(self, path: Path) -> None:
        """Write the file."""
        with path.open("wb") as file:  # a path without the suffix would get it
            np.savez(file, names=np.array(self.names, dtype=np.str_), counts=self.counts, positions=self.positions)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: The file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(file["names"].tolist(), file["counts"], file["positions"])
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise DataError(f"{path} is missing or damaged ({error}); prepare the store again") from None

    def of_recording(self, number: int) -> dict[str, np.ndarray]:
        """All positions of one recording, by every name of which it has any."""
        return {name: found for name in self.names if len(found := self.named(name, number))}

    def named(self, name: str, number: int) -> np.ndarray:
        """Positions of one name in one recording."""
        row = self._rows[name]
        end = int(self._ends[row, number])
        return self.positions[end - int(self.counts[row, number]) : end]

    def between(self, number: int, start: int, stop: int) -> dict[str, np.ndarray]:
        """Positions from ``start`` up to, not including, ``stop``, counted from ``start``; names without any are left out."""
        return {name: inside for name in self.names if len(inside := _between(self.named(name, number), start, stop))}

    def padded(self, name: str, numbers: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
        """``(windows, positions)`` int64 for a batch, -1 where a window has fewer."""
        rows = [_between(self.named(name, n), s, s + length) for n, s in zip(numbers.tolist(), starts.tolist(), strict=True)]
        out = np.full((len(rows), max(map(len, rows), default=0)), -1, dtype=np.int64)
        for i, row in enumerate(rows):
            out[i, : len(row)] = row
        return out

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    @cached_property
    def _ends(self) -> Any:
        return np.cumsum(self.counts).reshape(self.counts.shape)


def _between(positions: np.ndarray, start: int, stop: int) -> np.ndarray:
    first, last = np.searchsorted(positions, (start, stop))
    return np.asarray(positions[first:last] - start)
