"""A store against its peers: random records read per second, size, and how the cost of preparing grows. One thread.

The recordings are synthetic and exist only in memory (12 leads, 10 s at 500 Hz). Peers, interleaved with ours in one process:
the same windows as one pickle each (float64, as ST-MEM keeps them), and the WFDB files they came from, read by the wfdb package.
"""

from __future__ import annotations

import pickle
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import ecg_core
from ecg_core.data.leads import STANDARD_12
from ecg_core.data.prepare import prepare
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import wfdb


class Repeated(Reader):
    """As many recordings of one second as wanted, all alike but for their last sample."""

    count = 100

    def __init__(self) -> None:
        self._signal = np.cumsum(np.random.default_rng(0).normal(size=(12, 100)), axis=1).astype(np.float32) / 100

    def recognises(self, path: Path) -> bool:
        """Never by itself."""
        return False

    def scan(self, path: Path) -> RecordTable:
        """One row each."""
        rows = [
            {"record_id": f"r{i:07d}", "patient_id": f"p{i // 2}", "root": "", "path": f"r{i}", "dx": ("SR" if i % 7 else "AF",)}
            for i in range(self.count)
        ]
        return RecordTable.from_rows(rows)

    def read(self, row: Any) -> Record:
        """The signal, with a last sample of its own."""
        signal = self._signal.copy()
        signal[:, -1] = int(row["path"][1:]) / 1e5
        return Record(signal, 100, STANDARD_12, row["record_id"], patient_id=row["patient_id"])


def per_second(work: Callable[[int], object], order: np.ndarray, repeats: int = 5) -> float:
    """Median number of calls per second of processor time."""
    rates = []
    for _ in range(repeats):
        began = time.process_time()
        for index in order:
            work(int(index))
        rates.append(len(order) / (time.process_time() - began))
    return statistics.median(rates)


def reading(folder: Path, records: int = 300) -> None:
    """Random access of stores in every form, of pickles and of WFDB files."""
    source = ecg_core.demo(folder / "wfdb", records=records)
    order = np.random.default_rng(0).permutation(records)
    sizes, rates = {}, {}
    for name, options in {
        "int16": {},
        "float16": {"dtype": "float16"},
        "float32": {"dtype": "float32"},
        "int16 zlib": {"compression": "zlib"},
    }.items():
        store = prepare(source, folder / name.replace(" ", "-"), fs=500, facts=False, **options)
        sizes[name] = sum(file.stat().st_size for file in (store.path / "shards").iterdir())
        rates[name] = per_second(lambda i, s=store: s.signals([i]), order[: min(records, len(store))])
        if name == "int16":
            batches = order[: len(store) // 64 * 64].reshape(-1, 64)
            rates["int16, batches of 64"] = 64 * per_second(
                lambda i, s=store, b=batches: s.signals(b[i]), np.arange(len(batches))
            )
            window = store.signals([0])
            rates["floor: convert one window in memory"] = per_second(
                lambda i, w=window.astype(np.int16), o=np.empty_like(window): np.multiply(w, np.float32(1), out=o), order
            )
            (folder / "pickles").mkdir()
            for i in range(len(store)):
                (folder / "pickles" / f"{i}.pkl").write_bytes(pickle.dumps(store.signals([i])[0].astype(np.float64)))
    rates["pickle float64"] = per_second(lambda i: pickle.loads((folder / "pickles" / f"{i}.pkl").read_bytes()), order)
    names = sorted(file.stem for file in Path(source).rglob("*.hea"))
    paths = {file.stem: str(file.with_suffix("")) for file in Path(source).rglob("*.hea")}
    rates["wfdb.rdrecord"] = per_second(lambda i: wfdb.rdrecord(paths[names[i]]), order[:60], repeats=3)
    for name, rate in rates.items():
        size = f", {sizes[name] / sizes['int16']:.2f} of the size of int16" if name in sizes else ""
        print(f"{name:>36}: {rate:8,.0f} records/s, {rate / rates['wfdb.rdrecord']:5.0f} x wfdb{size}")


def growing(folder: Path, counts: tuple[int, ...]) -> None:
    """Processor time per recording as there are more of them."""
    for count in counts:
        with ecg_core.READERS.isolated():
            Repeated.count = count
            ecg_core.READERS.add(Repeated, "repeated")
            began = time.process_time()
            store = prepare(folder, folder / f"grown-{count}", fs=100, seconds=1.0, reader="repeated", pipeline=[], facts=False)
            made = time.process_time() - began
            began = time.process_time()
            again = ecg_core.Store(store.path)
            again.batch([0, count - 1], target="dx", classes=("AF", "SR"))
            opened = time.process_time() - began
            prepared, read = 1e6 * made / count, 1e6 * opened / count
            print(f"{count:>8,} recordings: {prepared:6.0f} us each to prepare, {read:5.1f} us each to open")
            shutil.rmtree(store.path)


def main() -> None:
    """Both parts; ``--large`` grows to 100,000 recordings instead of 10,000."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reading(folder)
        growing(folder, (100, 1_000, 10_000, 100_000) if "--large" in sys.argv else (100, 1_000, 10_000))


if __name__ == "__main__":
    main()
