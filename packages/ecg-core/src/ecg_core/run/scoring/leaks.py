"""Leaks: recordings that a model is tested on and has learned from, by name, by patient, or by their very samples.

Names of recordings and patients mean the same only within one collection of recordings, so between stores of different sources
nothing is compared but signals. These are found by their checksums and then compared sample by sample, which needs stores of the
same sampling frequency, leads, length and encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecg_core.data.store import Store
from ecg_core.errors import DataError, LeakError, RunError
from ecg_core.run.directory import RunDirectory

__all__ = ["Shared", "check_apart", "pretraining_warnings", "shared_recordings"]


class Shared(NamedTuple):
    """What two sets of windows share: ``(record there, record here)`` pairs of equal signals, and recordings here by name."""

    signals: list[tuple[str, str]]
    patients: list[str]
    records: list[str]

    @property
    def here(self) -> list[str]:
        """Recordings of the second set that are shared in any way, each once."""
        return list(dict.fromkeys([*self.records, *(pair[1] for pair in self.signals)]))


def shared_recordings(there: Store, learned: np.ndarray, here: Store, tested: np.ndarray) -> Shared:
    """What windows ``tested`` of one store share with windows ``learned`` of another or the same.

    Args:
        there: Store that was learned from.
        learned: Row numbers in it.
        here: Store that is tested on.
        tested: Row numbers in it.
    """
    first, second = there.table.iloc[learned], here.table.iloc[tested]
    patients: list[str] = []
    records: list[str] = []
    if there.facts["source"] == here.facts["source"]:
        known = set(first["patient_id"].dropna())
        patients = sorted({str(p) for p in second["patient_id"].dropna() if p in known})
        both = second["record_id"].isin(set(first["record_id"])) | second["patient_id"].isin(known)
        records = [str(name) for name in dict.fromkeys(second["record_id"][both])]
    return Shared(list(dict.fromkeys(_equal_signals(there, learned, here, tested))), patients, records)


def check_apart(home: Store, store: Store, *, target: str | None, split: str, run: Path) -> None:
    """Refuse to test a run on what it learned from.

    Args:
        home: Store that the run was trained on.
        store: Store that it is tested on.
        target: Whose labelled windows were learned from; ``None`` takes all windows.
        split: That is tested; of the training split nothing is said.
        run: Directory of the run, for the message.

    Raises:
        LeakError: Names the recordings or the patients.
    """
    if split == "train":
        return
    shared = shared_recordings(home, home.indices("train", target=target), store, store.indices(split, target=target))
    if shared.patients or shared.records:
        what = f"patient {shared.patients[0]}" if shared.patients else f"recording {shared.records[0]}"
        more = max(len(shared.patients), len(shared.records)) - 1
        raise LeakError(
            f"{run} learned from {what}{_more(more)} of the {split} split of {store.path}; "
            "evaluate it on the store it was trained on, or on patients it has not seen"
        )
    if shared.signals:
        learned, tested = shared.signals[0]
        raise LeakError(
            f"the recordings {learned!r} (train) and {tested!r} ({split}) hold the same signal"
            f"{_more(len(shared.signals) - 1)}, so {run} would be tested on what it learned; "
            "drop one of each pair or give both the same patient, and prepare again"
        )


def pretraining_warnings(directory: RunDirectory, store: Store, tested: np.ndarray, split: str) -> list[str]:
    """One sentence for each run that this one began with and that has seen recordings of the split, or might have.

    Args:
        directory: The run; its ``source`` is followed from run to run.
        store: Store that is tested on.
        tested: Row numbers of the split in it.
        split: Its name.
    """
    found, seen = [], {directory.path.resolve()}
    source = directory.facts.get("source")
    while source:
        folder = Path(source).parent if Path(source).suffix == ".json" else Path(source)
        if folder.resolve() in seen:
            break
        seen.add(folder.resolve())
        try:
            ancestor = RunDirectory(folder)
            trained = ancestor.facts["data"]
            there = Store(trained["path"], fold=trained.get("fold"))
        except (RunError, DataError, OSError):
            found.append(f"what {source} was trained on is not there, so nobody can say whether it has seen the {split} split")
            break
        if there.fingerprint != trained["fingerprint"]:
            found.append(
                f"{there.path} is not as {folder} was trained on it, so nobody can say whether that has seen the {split} split"
            )
        else:
            found += _seen(ancestor, there, store, tested, split)
        source = ancestor.facts.get("source")
    return found


def _seen(ancestor: RunDirectory, there: Store, store: Store, tested: np.ndarray, split: str) -> Iterator[str]:
    target = ancestor.facts.get("target")
    learned = there.indices("train", target=target)
    here = shared_recordings(there, learned, store, tested).here
    if not here:
        return
    total = store.table["record_id"].iloc[tested].nunique()
    how = "pre-trained on, without their labels" if ancestor.kind == "pretrain" else "trained on, labels included"
    yield (
        f"{len(here)} of {total} recordings of the {split} split, e.g. {here[0]}, or others of their patients, are among those "
        f"that {ancestor.path} was {how}; on patients it has never met these numbers may be lower"
    )


def _equal_signals(there: Store, learned: np.ndarray, here: Store, tested: np.ndarray) -> Iterator[tuple[str, str]]:
    if (there.fs, there.leads, there.n_samples, there.encoding) != (here.fs, here.leads, here.n_samples, here.encoding):
        return
    crc = there.table["crc32"].to_numpy()
    places: dict[int, list[int]] = {}
    for row in learned:
        places.setdefault(int(crc[row]), []).append(int(row))
    for row, checksum in zip(tested, here.table["crc32"].iloc[tested].tolist(), strict=True):
        for other in places.get(int(checksum), ()):
            mine, theirs = here.signals([row])[0], there.signals([other])[0]
            if np.ptp(mine, axis=1).any() and np.array_equal(mine, theirs):  # silence is no patient's own
                yield str(there.table["record_id"].iloc[other]), str(here.table["record_id"].iloc[row])


def _more(count: int) -> str:
    return f" (and {count} more)" if count > 0 else ""
