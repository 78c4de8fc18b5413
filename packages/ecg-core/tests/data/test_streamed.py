"""A recording longer than memory becomes the windows of the whole, and a fault found late leaves none of them behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecg_core.contracts.transform import Transform
from ecg_core.data.prepare import prepare
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import READERS, TRANSFORMS

FS, SECONDS = 100, 330


class Long(Reader):
    """``whole`` and ``other`` last 330 s; ``gap`` has a NaN near its end, ``dead`` a lead that never moves."""

    whole_reads: list[str] = []
    parts: list[int] = []

    def recognises(self, path: Path) -> bool:
        return False

    def scan(self, path: Path) -> RecordTable:
        facts = {"root": "", "fs": float(FS), "n_samples": FS * SECONDS, "leads": ("I", "II")}
        return RecordTable.from_rows([{"record_id": n, "path": n, **facts} for n in ("dead", "gap", "other", "whole")])

    def signal(self, name: str) -> np.ndarray:
        rng = np.random.default_rng(sum(map(ord, name)))
        x = np.cumsum(rng.normal(size=(2, FS * SECONDS)), axis=1).astype(np.float32) / 20
        if name == "gap":
            x[1, -500] = np.nan
        if name == "dead":
            x[1] = 0.25
        return x

    def read(self, row):
        self.whole_reads.append(row["path"])
        return Record(self.signal(row["path"]), FS, ("I", "II"), row["record_id"])

    def read_part(self, row, start, stop):
        self.parts.append(stop - start)
        return Record(self.signal(row["path"])[:, start:stop], FS, ("I", "II"), row["record_id"])


class Backwards(Transform):
    """The recording in reverse: no block of the output is known before the last block of the input."""

    def apply(self, x, *, fs, **drawn):
        return x[..., ::-1].copy()


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setattr(Long, "whole_reads", [])
    monkeypatch.setattr(Long, "parts", [])

    def run(out: str, *, long: int, **settings):
        monkeypatch.setattr("ecg_core.data.streamed._LONG", long)
        words = {"fs": FS, "seconds": 10, "leads": ("I", "II"), "reader": "long", "pipeline": [], "dtype": "float32"}
        return prepare(tmp_path, tmp_path / out, **{**words, **settings})

    with READERS.isolated(), TRANSFORMS.isolated():
        READERS.add(Long, "long")
        TRANSFORMS.add(Backwards, "backwards")
        yield run


def test_the_windows_are_those_of_the_whole(made):
    whole = made("whole", long=10**9)
    assert Long.parts == []
    streamed = made("streamed", long=1000)
    assert set(Long.whole_reads) == {"dead", "gap", "other", "whole"}  # of the first store only
    assert len(Long.whole_reads) == 4
    assert max(Long.parts) <= 600 * FS
    np.testing.assert_array_equal(streamed.signals(range(len(streamed))), whole.signals(range(len(whole))))
    columns = ["record_id", "segment", "split", "heart_rate", "quality"]
    assert streamed.table[columns].equals(whole.table[columns])


def test_a_recording_with_a_fault_near_its_end_leaves_no_window(made):
    store = made("streamed", long=1000)
    assert set(store.table["record_id"]) == {"other", "whole"}
    assert len(store) == 2 * 33
    reasons = store.rejects.set_index("path")["reason"].to_dict()
    assert reasons == {
        "dead": "record 'dead' has flat II; mend or leave out these leads",
        "gap": "record 'gap' has NaN or infinite samples in II; mend or leave out these leads",
    }


def test_a_pipeline_that_needs_the_whole_gets_the_whole(made):
    store = made("backwards", long=1000, pipeline=["backwards"])
    assert {"other", "whole"} <= set(Long.whole_reads)
    last = store.signals([len(store) - 1])[0]
    np.testing.assert_array_equal(last, Long().signal("whole")[:, ::-1][:, 320 * FS : 330 * FS])
