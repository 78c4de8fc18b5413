"""Which windows make up which batch: a pure function of (seed, epoch, step), so only counters are saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ecg_core.contracts.grouping import Grouping
from ecg_core.data.store import Store
from ecg_core.errors import DataError
from ecg_core.run.groups import Groups, generator_of, store_groups

__all__ = ["Batches", "epoch_order", "store_batches"]


def epoch_order(count: int, *, seed: int, epoch: int) -> np.ndarray:
    """A permutation of ``0 … count - 1`` that depends on nothing else."""
    return generator_of(seed, epoch).permutation(count)


class Batches:
    """Batches of an epoch, by number.

    Args:
        indices: Windows to learn from.
        batch_size: Windows per batch. A rest smaller than a batch waits for another epoch's order, unless there are fewer
            windows than one batch.
        load: ``load(indices, epoch)`` gives what the learner takes.
        seed: Of the order.
        groups: Which of the windows stand together; a batch then holds as many whole groups as it has room for, and a batch that
            is divided at a multiple of a group's size, between processes for instance, divides none.

    Raises:
        DataError: There are no windows, no groups, or a batch has no room for a group.
    """

    def __init__(
        self,
        indices: Sequence[int] | np.ndarray,
        batch_size: int,
        load: Callable[[np.ndarray, int], Any],
        *,
        seed: int = 0,
        groups: Groups | None = None,
    ) -> None:
        self.indices = np.asarray(indices, dtype=np.int64)
        if not len(self.indices):
            raise DataError("there is nothing to learn from: the training split is empty (or has no labels for this target)")
        self.groups = groups
        self.windows = len(self.indices) if groups is None else self._in_groups(groups, batch_size)
        self.batch_size = min(batch_size, self.windows)
        if groups is not None:
            self.batch_size -= self.batch_size % groups.grouping.size
        self.load = load
        self.seed = seed
        self._order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return self.windows // self.batch_size

    def get(self, epoch: int, number: int) -> Any:
        """Batch ``number`` of an epoch."""
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, self._ordered(epoch)
        chosen = self._order[1][number * self.batch_size : (number + 1) * self.batch_size]
        return self.load(self.indices[chosen], epoch)

    def _ordered(self, epoch: int) -> np.ndarray:
        if self.groups is None:
            return epoch_order(len(self.indices), seed=self.seed, epoch=epoch)
        return self.groups.order(seed=self.seed, epoch=epoch).reshape(-1)

    @staticmethod
    def _in_groups(groups: Groups, batch_size: int) -> int:
        """Windows of an epoch, of which all are in a group."""
        size, what = groups.grouping.size, groups.grouping.what
        if not groups.count:
            raise DataError(
                f"this method compares {size} {what} of one patient, and no patient of the split has so many; "
                "take data with several, or another method"
            )
        if batch_size < size:
            raise DataError(f"this method compares {size} {what} of one patient, got batches of {batch_size}; use larger ones")
        return groups.count * size


def store_batches(
    store: Store,
    indices: np.ndarray,
    batch_size: int,
    *,
    device: str,
    seed: int,
    target: str | None = None,
    classes: Sequence[str] = (),
    grouping: Grouping | None = None,
) -> Batches:
    """Batches of tensors on ``device``, straight from the store's memory maps; in groups, if a method asks for them."""

    def load(chosen: np.ndarray, epoch: int) -> Any:
        return store.batch(chosen, target=target, classes=classes, seed=seed, epoch=epoch).to(device)

    groups = None if grouping is None or not len(indices) else store_groups(store, indices, grouping)
    return Batches(indices, batch_size, load, seed=seed, groups=groups)
