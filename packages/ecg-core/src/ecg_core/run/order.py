"""Which windows make up which batch: a pure function of (seed, epoch, step), so only counters are saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ecg_core.data.store import Store
from ecg_core.errors import DataError

__all__ = ["Batches", "epoch_order", "store_batches"]


def epoch_order(count: int, *, seed: int, epoch: int) -> np.ndarray:
    """A permutation of ``0 … count - 1`` that depends on nothing else."""
    key = np.array([seed & 0xFFFFFFFFFFFFFFFF, epoch], dtype=np.uint64)  # a list with a large seed would become floats
    return np.random.Generator(np.random.Philox(key=key)).permutation(count)


class Batches:
    """Batches of an epoch, by number.

    Args:
        indices: Windows to learn from.
        batch_size: Windows per batch. A rest smaller than a batch waits for another epoch's order, unless there are fewer
            windows than one batch.
        load: ``load(indices, epoch)`` gives what the learner takes.
        seed: Of the order.
    """

    def __init__(
        self, indices: Sequence[int] | np.ndarray, batch_size: int, load: Callable[[np.ndarray, int], Any], *, seed: int = 0
    ) -> None:
        self.indices = np.asarray(indices, dtype=np.int64)
        if not len(self.indices):
            raise DataError("there is nothing to learn from: the training split is empty (or has no labels for this target)")
        self.batch_size = min(batch_size, len(self.indices))
        self.load = load
        self.seed = seed
        self._order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.indices) // self.batch_size

    def get(self, epoch: int, number: int) -> Any:
        """Batch ``number`` of an epoch."""
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, epoch_order(len(self.indices), seed=self.seed, epoch=epoch)
        chosen = self._order[1][number * self.batch_size : (number + 1) * self.batch_size]
        return self.load(self.indices[chosen], epoch)


def store_batches(
    store: Store,
    indices: np.ndarray,
    batch_size: int,
    *,
    device: str,
    seed: int,
    target: str | None = None,
    classes: Sequence[str] = (),
) -> Batches:
    """Batches of tensors on ``device``, straight from the store's memory maps."""

    def load(chosen: np.ndarray, epoch: int) -> Any:
        return store.batch(chosen, target=target, classes=classes, seed=seed, epoch=epoch).to(device)

    return Batches(indices, batch_size, load, seed=seed)
