"""Groups: windows of one patient next to each other, in an order that is a pure function of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ecg_core.contracts.grouping import Grouping
from ecg_core.data.store import Store
from ecg_core.errors import DataError

__all__ = ["Groups", "generator_of", "store_groups"]


def generator_of(seed: int, epoch: int) -> np.random.Generator:
    """The generator of an epoch's order."""
    key = np.array([seed & 0xFFFFFFFFFFFFFFFF, epoch], dtype=np.uint64)  # a list with a large seed would become floats
    return np.random.Generator(np.random.Philox(key=key))


class Groups:
    """The groups that a method asks for, among these windows.

    Args:
        patients: Patient of each window.
        recordings: Recording of each window; a recording is of one patient.
        grouping: What the method asks for.
    """

    def __init__(self, patients: Sequence[object], recordings: Sequence[object], grouping: Grouping) -> None:
        self.grouping = grouping
        self._patient = pd.factorize(np.asarray(patients, dtype=object))[0]
        self._recording = pd.factorize(np.asarray(recordings, dtype=object))[0]
        if grouping.apart:
            first = np.unique(self._recording, return_index=True)[1]
            self.count = int((np.bincount(self._patient[first], minlength=1) >= grouping.size).sum())
        else:
            self.count = int((np.bincount(self._patient, minlength=1) // grouping.size).sum())

    def order(self, *, seed: int, epoch: int) -> np.ndarray:
        """``(count, size)`` positions of windows: the groups of an epoch, shuffled."""
        generator, size = generator_of(seed, epoch), self.grouping.size
        window = generator.random(len(self._patient))
        recording = generator.random(int(self._recording.max(initial=-1)) + 1)[self._recording]
        order = np.lexsort((window, recording, self._patient))  # by patient, then by recording, then by window
        if self.grouping.apart:
            order = order[np.diff(self._recording[order], prepend=-1) != 0]  # one window of each recording
        patient = self._patient[order]
        start, windows = np.unique(patient, return_index=True, return_counts=True)[1:]
        place = np.arange(len(order)) - np.repeat(start, windows)
        used = (windows >= size) * size if self.grouping.apart else windows // size * size
        groups = order[place < np.repeat(used, windows)].reshape(-1, size)
        return groups[generator.permutation(len(groups))]


def store_groups(store: Store, indices: np.ndarray, grouping: Grouping) -> Groups:
    """The groups among some windows of a store.

    Raises:
        DataError: Some of these windows have no patient.
    """
    rows = store.table.iloc[indices]
    unknown = int(rows["patient_id"].isna().sum())
    if unknown:
        raise DataError(
            f"windows of one patient are to stand together, and {unknown} of {len(rows)} windows have no patient; "
            "prepare the data with it (e.g. --patient)"
        )
    return Groups(rows["patient_id"].tolist(), rows["record_id"].tolist(), grouping)
