"""A reader of NumPy files, so that preparation is tested without any file format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ecg_core.data import shards as shards_module
from ecg_core.data.prepare import prepare as prepare_store
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import READERS, TRANSFORMS
from ecg_core.errors import DataError


class ToyReader(Reader):
    """``<patient>_<number>.npy``: two leads at 100 Hz."""

    reads: list[str] = []
    stop_after: int | None = None

    def __init__(self, *, leads: tuple[str, ...] = ("I", "II")) -> None:
        self.leads = tuple(leads)

    def recognises(self, path: Path) -> bool:
        return any(path.glob("*.npy"))

    def scan(self, path: Path) -> RecordTable:
        files = sorted(path.glob("*.npy"))
        rows = [{"record_id": f.stem, "patient_id": f.stem.split("_")[0], "root": str(path), "path": f.name} for f in files]
        return RecordTable.from_rows(rows, [(f.name, "not a NumPy file") for f in sorted(path.glob("*.txt"))])

    def read(self, row):
        if self.stop_after is not None and len(self.reads) >= self.stop_after:
            raise KeyboardInterrupt
        self.reads.append(row["record_id"])
        try:
            signal = np.load(Path(row["root"]) / row["path"], allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{row['path']}: {error}") from None
        facts = {name: row.get(name) for name in ("patient_id", "age", "sex")}
        return Record(signal, 100, self.leads[: len(signal)], row["record_id"], **facts)


@pytest.fixture(autouse=True)
def toy_reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[ToyReader]]:
    """Registered as ``toy`` during a test; four recordings make a shard."""
    monkeypatch.setattr(shards_module, "_recordings_per_shard", lambda recordings: 4)
    monkeypatch.setattr(ToyReader, "reads", [])
    monkeypatch.setattr(ToyReader, "stop_after", None)
    with READERS.isolated(), TRANSFORMS.isolated():
        READERS.add(ToyReader, "toy")
        yield ToyReader


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Ten recordings of five patients, 2.5 s each."""
    folder = tmp_path / "source"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(10):
        np.save(folder / f"p{i // 2}_{i}.npy", rng.normal(size=(2, 250)).astype(np.float32))
    return folder


@pytest.fixture
def prepare(source: Path, tmp_path: Path) -> Callable:
    """``prepare`` with the settings of these tests: windows of 1 s, nothing filtered."""

    def run(out="store", **settings):
        return prepare_store(
            source,
            tmp_path / out,
            **{"fs": 100, "seconds": 1.0, "leads": ("I", "II"), "pipeline": [], "reader": "toy", **settings},
        )

    return run
