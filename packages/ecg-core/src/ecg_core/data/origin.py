"""Origin: the stretch of the recording that a window of a store was made from."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from ecg_core.data.record import Record
from ecg_core.data.source import choose_reader
from ecg_core.data.store import Store
from ecg_core.discovery.registries import READERS
from ecg_core.errors import ContentWarning, DataError

__all__ = ["origins", "telling_windows"]


def origins(store: Store, source: str | Path, indices: list[int]) -> list[Record]:
    """What these windows looked like before the pipeline: the same leads, the same stretch of time.

    Args:
        store: The windows.
        source: The folder of recordings it was prepared from.
        indices: Row numbers of windows.

    Raises:
        DataError: A recording is no longer there.
    """
    reader = READERS.build(store.facts["reader"]) if store.facts.get("reader") else choose_reader(Path(source))
    names = store.table["record_id"].tolist()
    wanted = {names[i] for i in indices}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ContentWarning)  # what is in the recordings was told when they were prepared
        rows = {row["record_id"]: row for row in reader.scan(Path(source)).rows() if row["record_id"] in wanted}
    found = []
    for index in indices:
        if names[index] not in rows:
            raise DataError(f"record {names[index]!r} of {store.path} is no longer in {source}; give the folder it came from")
        record = reader.read(rows[names[index]]).select_leads(store.leads)
        start = round(int(store.table["segment"].iloc[index]) * store.seconds * record.fs)
        found.append(record.crop(start, min(record.n_samples, start + round(store.seconds * record.fs))))
    return found


def telling_windows(store: Store, count: int = 2) -> list[int]:
    """Row numbers of a few windows that show what is in a store: of different classes, the frequent ones first."""
    first = np.flatnonzero((store.table["segment"] == 0).to_numpy())
    if not store.targets:
        return [int(i) for i in first[:count]]
    labels = store.table[store.targets[0]].tolist()
    frequent = [name for name, _ in Counter(name for i in first for name in labels[i]).most_common()]
    chosen: list[int] = []
    for name in frequent[:count]:
        # The recording that is about little else shows the class best.
        with_it = [int(i) for i in first if name in labels[i] and int(i) not in chosen]
        chosen += sorted(with_it, key=lambda i: len(labels[i]))[:1]
    return chosen or [int(i) for i in first[:count]]
