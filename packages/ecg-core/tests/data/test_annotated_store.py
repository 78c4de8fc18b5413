"""Annotations stand in a store where they stand in its windows, whether a recording is read whole or in blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecg_core.contracts.transform import Transform
from ecg_core.data.marks import Marks
from ecg_core.data.prepare import prepare
from ecg_core.data.reader import Reader
from ecg_core.data.record import Record
from ecg_core.data.store import Store
from ecg_core.data.table import RecordTable
from ecg_core.discovery.registries import READERS, TRANSFORMS
from ecg_core.errors import DataError

FS, SECONDS = 100, 305
BEATS = np.arange(40, FS * SECONDS, 87)


class Beating(Reader):
    """A sample of 1 mV at every beat; ``bare`` is not annotated. Every third beat is a ``V``."""

    def recognises(self, path: Path) -> bool:
        return False

    def scan(self, path: Path) -> RecordTable:
        facts = {"root": "", "fs": float(FS), "n_samples": FS * SECONDS, "leads": ("I", "II")}
        return RecordTable.from_rows([{"record_id": n, "path": n, **facts} for n in ("bare", "beating", "more")])

    def read(self, row):
        signal = np.zeros((2, FS * SECONDS), dtype=np.float32)
        signal[:, BEATS] = 1
        signal[1] += 0.001 * sum(map(ord, row["path"]))  # so that no recording is a copy of another
        marks = {"r_peaks": BEATS, "beat/V": BEATS[::3], "beat/N": np.delete(BEATS, np.s_[::3])}
        return Record(signal, FS, ("I", "II"), row["record_id"], annotations={} if row["path"] == "bare" else marks)

    def read_part(self, row, start, stop):
        return self.read(row).crop(start, stop)


class Later(Transform):
    """Everything a tenth of a second later."""

    def reach(self, fs):
        return 0.1

    def apply(self, x, *, fs, **drawn):
        return np.concatenate([np.zeros_like(x[..., : round(0.1 * fs)]), x[..., : -round(0.1 * fs)]], axis=-1)

    def move(self, positions, *, fs, samples, **drawn):
        return positions + round(0.1 * fs)


@pytest.fixture
def made(tmp_path, monkeypatch):
    def run(out: str, *, long: int = 10**9, **settings) -> Store:
        monkeypatch.setattr("ecg_core.data.streamed._LONG", long)
        words = {"fs": FS, "seconds": 10, "leads": ("I", "II"), "reader": "beating", "pipeline": ["later"], "split": "1/1/1"}
        return prepare(tmp_path, tmp_path / out, **{**words, **settings})

    with READERS.isolated(), TRANSFORMS.isolated():
        READERS.add(Beating, "beating")
        TRANSFORMS.add(Later, "later")
        yield run


def of(store: Store, name: str) -> list[int]:
    return [i for i, record in enumerate(store.table["record_id"]) if record == name]


@pytest.mark.parametrize("long", [10**9, 1000], ids=["whole", "in blocks"])
def test_every_annotation_stands_on_its_beat(made, long):
    store = made("store", long=long)
    windows = of(store, "beating")
    assert len(windows) == 30
    found = 0
    for i in windows:
        record = store.record(i)
        peaks = record.annotations["r_peaks"]
        assert peaks.tolist() == np.flatnonzero(record.signal[0] > 0.5).tolist()
        both = np.concatenate([record.annotations.get(f"beat/{c}", np.zeros(0, int)) for c in "NV"])
        assert sorted(both.tolist()) == peaks.tolist()
        found += len(peaks)
    assert found == (BEATS + 10 < 300 * FS).sum()
    assert all(store.annotations(i) == {} for i in of(store, "bare"))


def test_blocks_write_the_bytes_of_the_whole(made):
    whole, streamed = made("whole"), made("streamed", long=1000)
    assert (streamed.path / "annotations.npz").read_bytes() == (whole.path / "annotations.npz").read_bytes()
    assert streamed.fingerprint == whole.fingerprint


def test_a_reader_may_be_a_configuration(made):
    assert made("named", reader={"name": "beating"}).fingerprint == made("plain").fingerprint


def test_a_batch_brings_r_peaks_and_labels_of_every_sample(made):
    store = made("store")
    i = np.array([*of(store, "bare")[:1], *of(store, "more")[3:5]])
    assert store.step_targets == ("r_peaks", "beats")
    assert store.classes("beats") == ("none", "N", "V")
    batch = store.batch(i, target="beats", classes=store.classes("beats"))
    assert batch.targets is None
    assert batch.step_targets.shape == (3, 1000)
    assert (batch.step_targets[0] == -1).all()
    assert (batch.annotations["r_peaks"][0] == -1).all()
    for row in (1, 2):
        peaks = batch.annotations["r_peaks"][row]
        peaks = peaks[peaks >= 0]
        assert (batch.signal[row, 0, peaks] > 0.5).all()
        assert (batch.step_targets[row, peaks] > 0).all()


def test_a_division_takes_whole_recordings_whose_samples_are_known(made):
    store = made("store")
    every = np.concatenate([store.indices(split, target="beats") for split in ("train", "val", "test")])
    assert sorted(every) == sorted(of(store, "beating") + of(store, "more"))


def test_altered_annotations_are_refused(made):
    store = made("store")
    (store.path / "annotations.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match="altered since it was written"):
        Store(store.path).annotations(0)


def test_a_target_of_neither_kind_names_both(made):
    store = made("store")
    with pytest.raises(DataError, match=r"no target 'dx'; its targets: r_peaks, beats"):
        store.indices("train", target="dx")


def test_a_store_without_annotations_has_no_file(made, monkeypatch):
    monkeypatch.setattr(Beating, "read", lambda self, row, read=Beating.read: Record(
        read(self, row).signal, FS, ("I", "II"), row["record_id"]))  # fmt: skip
    store = made("store")
    assert not (store.path / "annotations.npz").exists()
    assert (store.step_targets, store.annotations(0), store.batch([0]).annotations) == ((), {}, {})


def test_marks_of_a_file_are_those_that_were_saved(tmp_path):
    marks = Marks.of([{"b": [5, 3]}, {}, {"a": np.array([7]), "b": [9]}])
    marks.save(tmp_path / "marks")
    found = Marks.load(tmp_path / "marks")
    assert [{k: v.tolist() for k, v in found.of_recording(i).items()} for i in range(3)] == [
        {"b": [3, 5]},
        {},
        {"a": [7], "b": [9]},
    ]
    assert found.between(0, 4, 9)["b"].tolist() == [1]
    padded = found.padded("b", np.array([0, 1, 2]), np.array([0, 0, 0]), 10)
    assert padded.tolist() == [[3, 5], [-1, -1], [9, -1]]


def test_marks_that_contradict_themselves_are_refused(tmp_path):
    with (tmp_path / "marks.npz").open("wb") as file:
        np.savez(file, names=np.array(["a"]), counts=np.array([[3]]), positions=np.array([1]))
    with pytest.raises(DataError, match="do not describe"):
        Marks.load(tmp_path / "marks.npz")
    (tmp_path / "marks.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="damaged"):
        Marks.load(tmp_path / "marks.npz")
