"""Preparation end to end on WFDB files: what a store holds is the filtered recording; several processes make the same bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecg_core.contracts.compose import Compose
from ecg_core.data.leads import STANDARD_12
from ecg_core.data.prepare import prepare
from ecg_core.data.record import Record
from ecg_core.data.store import Store
from ecg_core.data.windows import default_pipeline
from ecg_core.errors import DataError
from ecg_preproc.readers.write import write_record

LEADS = ("I", "II", "V1")


def ecg(name: str, *, seconds=12.0, fs=500.0, leads=LEADS, seed=0, **facts) -> Record:
    """Gaussian beats on a drift, a new rate for every seed."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * fs)) / fs
    beat = np.exp(-0.5 * (((time + rng.uniform()) % rng.uniform(0.6, 1.1) - 0.3) / 0.02) ** 2)
    signal = (
        rng.uniform(0.3, 1.5, (len(leads), 1)) * beat
        + 0.3 * np.sin(2 * np.pi * 0.2 * time)
        + 0.01 * rng.normal(size=(len(leads), time.size))
    )
    return Record(signal.astype(np.float32), fs, leads, name, **facts)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve recordings of six patients at three sampling frequencies, and four that are unfit."""
    folder = tmp_path / "wfdb"
    folder.mkdir()
    for i in range(12):
        facts = {
            "patient_id": f"00{i // 2}",
            "age": 40.0 + i,
            "sex": "FM"[i % 2],
            "labels": {"dx": ("AFIB",) if i % 3 == 0 else ("SR", "PVC")},
        }
        write_record(ecg(f"r{i:02d}", fs=(500, 360, 257)[i % 3], seed=i, **facts), folder)
    write_record(ecg("short", seconds=5, seed=90), folder)
    write_record(ecg("lead", leads=("I", "II"), seed=91), folder)
    flat = ecg("flat", seed=92)
    write_record(flat.with_signal(flat.signal * np.float32([[1], [1], [0]])), folder)
    write_record(ecg("cut", seed=93), folder)
    (folder / "cut.dat").write_bytes((folder / "cut.dat").read_bytes()[:-100])
    return folder


def made(source: Path, out: Path, **settings) -> Store:
    return prepare(source, out, **{"fs": 250, "seconds": 10, "leads": LEADS, **settings})


def contents(store: Store) -> dict[str, bytes]:
    return {p.relative_to(store.path).as_posix(): p.read_bytes() for p in sorted(store.path.rglob("*")) if p.is_file()}


def test_a_store_holds_the_filtered_recordings_within_half_a_step(folder, tmp_path):
    store = made(folder, tmp_path / "store")
    assert (len(store), store.n_samples, store.leads) == (12, 2500, LEADS)
    chain = Compose.from_config(default_pipeline(250))
    for i in range(12):
        kept = np.rint(ecg(f"r{i:02d}", fs=(500, 360, 257)[i % 3], seed=i).signal.astype(np.float64) * 1000) / 1000  # whole µV
        expected = chain(kept.astype(np.float32), fs=(500, 360, 257)[i % 3])[:, :2500]
        error = np.abs(store.signals([i])[0] - expected).max()
        assert error <= 0.5 * store.table["scale"].iloc[i] * 1.001 + 1e-6
    assert store.verify() == 12


def test_facts_of_the_headers_reach_the_store(folder, tmp_path):
    store = made(folder, tmp_path / "store")
    record = store.record(3)
    assert (record.record_id, record.patient_id, record.age, record.sex) == ("r03", "001", 43.0, "M")
    assert record.labels == {"dx": ("AFIB",)}
    assert store.facts["patients"] == 6
    assert all(len(set(splits)) == 1 for _, splits in store.table.groupby("patient_id")["split"])


def test_unfit_recordings_are_refused_each_with_its_reason(folder, tmp_path):
    store = made(folder, tmp_path / "store")
    reasons = dict(zip(store.rejects["path"], store.rejects["reason"], strict=True))
    assert set(reasons) == {"cut.hea", "flat", "lead", "short"}
    assert reasons["flat"] == "record 'flat' has flat V1; mend or leave out these leads"
    assert reasons["lead"].startswith("record 'lead' has no lead V1 (it has I, II)")
    assert reasons["short"].startswith("record 'short' lasts 5 s, a window 10 s; use shorter windows (--seconds 5)")
    assert "cut.dat" in reasons["cut.hea"]


def test_two_processes_make_the_same_bytes_as_one(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("ecg_core.data.shards._FEWEST", 8)
    one, two = made(folder, tmp_path / "one"), made(folder, tmp_path / "two", jobs=2)
    assert contents(one) == contents(two)


def test_a_changed_byte_of_a_recording_is_refused_by_its_checksum(folder, tmp_path):
    data = bytearray((folder / "r05.dat").read_bytes())
    data[1000] ^= 0x10
    (folder / "r05.dat").write_bytes(data)
    store = made(folder, tmp_path / "store")
    assert "r05" in store.rejects["path"].tolist()
    assert len(store) == 11


# ---------------------------------------------------------------------------------------------- real recordings


def subset(source: Path, folder: Path, headers: list[str]) -> Path:
    """Copies of some recordings (a reader follows no link out of its folder)."""
    for header in headers:
        stem = (source / header).with_suffix("")
        for file in stem.parent.glob(stem.name + ".*"):
            target = folder / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return folder


def first(source: Path, count: int) -> list[str]:
    return sorted(p.relative_to(source).as_posix() for p in source.rglob("*.hea"))[:count]


@pytest.mark.parametrize(
    ("name", "leads", "seconds", "count", "windows", "reason"),
    [
        ("cinc2017", ("ECG",), 9.0, 12, 12, None),
        ("ludb", STANDARD_12, 10.0, 6, 6, None),
        ("ecgid", ("I filtered",), 10.0, 6, 12, None),
        ("mitdb", ("MLII",), 10.0, 2, 300, None),
        ("mitdb", STANDARD_12, 10.0, 1, 0, "has no lead I, II, III"),
        ("cinc2017", STANDARD_12, 10.0, 2, 0, "has no lead I, II, III"),
    ],
)
def test_real_recordings_become_sane_windows_or_are_clearly_refused(
    recordings, tmp_path, name, leads, seconds, count, windows, reason
):
    source = recordings / name
    if not source.is_dir():
        pytest.skip(f"{source} is absent")
    folder = subset(source, tmp_path / "real", first(source, count))
    if reason is not None:
        with pytest.raises(DataError, match=rf"none of the {count} recordings .* can be used, e.g. .*{reason}"):
            made(folder, tmp_path / "store", leads=leads, seconds=seconds)
        return
    store = made(folder, tmp_path / "store", leads=leads, seconds=seconds)
    assert len(store) >= windows
    assert store.verify() == len(store)
    signal = store.signals(store.indices())
    assert np.isfinite(signal).all()
    # band-passed ECG: the baseline is gone, a beat is between 0.1 and 20 mV high, and nothing above 40 Hz is loud
    assert np.abs(signal.mean(axis=-1)).max() < 0.2
    heights = np.ptp(signal, axis=-1)
    assert 0.1 < np.median(heights) < 20
    power = np.abs(np.fft.rfft(signal, axis=-1)) ** 2
    frequency = np.fft.rfftfreq(signal.shape[-1], 1 / 250)
    assert power[..., frequency > 60].sum() < 0.01 * power.sum()


def test_the_known_pair_of_equal_recordings_is_kept_once(recordings, tmp_path):
    # E07509 and E07510 of the CinC 2021 selection are the same signal.
    source = recordings / "cinc2021"
    if not (source / "E07509.hea").is_file():
        pytest.skip("the pair is absent")
    store = made(subset(source, tmp_path / "real", ["E07509.hea", "E07510.hea"]), tmp_path / "store", leads=STANDARD_12)
    assert store.table["record_id"].tolist() == ["E07509"]
    assert store.rejects["reason"].tolist() == ["the same signal as record 'E07509'; kept once"]


def test_official_labels_join_a_real_folder(recordings, tmp_path):
    file = recordings / "ludb" / "ludb_labels.csv"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    source = recordings / "ludb"
    headers = first(source, 5)
    labels = pd.DataFrame({"record_id": [Path(h).stem for h in headers], "who": ["1", "1", "2", "3", "4"], "dx": ["SR"] * 5})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    store = made(
        subset(source, tmp_path / "real", headers),
        tmp_path / "store",
        leads=STANDARD_12,
        labels=tmp_path / "labels.csv",
        patient="who",
    )
    assert store.facts["patients"] == 4
