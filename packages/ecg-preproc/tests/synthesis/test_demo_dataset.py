"""The demo folder: real WFDB files, the same for the same seed, and never over somebody's data."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecg_core.errors import DataError, OutputExistsError
from ecg_preproc.readers.wfdb import WFDBReader
from ecg_preproc.synthesis.command import demo
from ecg_preproc.synthesis.dataset import make_record
from ecg_preproc.synthesis.patient import draw_patient

with warnings.catch_warnings():  # wfdb 4.3.1 uses what pandas 3 deprecates
    warnings.simplefilter("ignore")
    import wfdb


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve recordings of seed 0."""
    return demo(tmp_path_factory.mktemp("demo") / "wfdb", records=12)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_folder_holds_records_and_their_labels(out: Path):
    names = [f"r{i:05d}.{suffix}" for i in range(12) for suffix in ("dat", "hea")]
    assert sorted(content(out)) == ["labels.csv", *names]
    labels = pd.read_csv(out / "labels.csv")
    assert labels.columns.tolist() == ["record_id", "patient_id", "age", "sex", "dx"]
    assert labels["record_id"].tolist() == [f"r{i:05d}" for i in range(12)]
    assert set(labels["sex"]) <= {"F", "M"}
    assert labels["age"].between(18, 95).all()


def test_the_wfdb_package_and_our_reader_read_the_same(out: Path):
    reader = WFDBReader()
    table = reader.scan(out)
    assert len(table.rejects) == 0
    for row in table.rows():
        ours, theirs = reader.read(row), wfdb.rdrecord(str(out / row["path"]))
        assert ours.signal.shape == (12, 5000)
        np.testing.assert_array_equal(ours.signal, theirs.p_signal.T.astype(np.float32))
        assert list(ours.leads) == theirs.sig_name


def test_headers_and_labels_agree(out: Path):
    scanned = WFDBReader().scan(out).frame
    labels = pd.read_csv(out / "labels.csv")
    assert [";".join(codes) for codes in scanned["dx"]] == labels["dx"].tolist()
    for column in ("patient_id", "age", "sex"):
        assert scanned[column].tolist() == labels[column].tolist()


def test_labels_join_the_scanned_table(out: Path):
    table = WFDBReader().scan(out).join_labels(pd.read_csv(out / "labels.csv"), patient="patient_id")
    assert table.targets == ("dx",)


def test_einthoven_holds_in_whole_microvolts(out: Path):
    for header in sorted(out.glob("*.hea")):
        one, two, three, avr, avl, avf = wfdb.rdrecord(str(header.with_suffix("")), physical=False).d_signal.T[:6].astype(int)
        assert np.abs(three - (two - one)).max() <= 2  # three roundings to 1 µV
        assert np.abs(2 * avr + one + two).max() <= 2
        assert np.abs(2 * avl - 2 * one + two).max() <= 3
        assert np.abs(2 * avf - 2 * two + one).max() <= 3


def test_a_record_on_disk_is_the_record_in_memory(out: Path):
    np.testing.assert_allclose(
        WFDBReader().read({"root": str(out), "path": "r00007", "record_id": "r00007"}).signal, make_record(7).signal, atol=0.00051
    )


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(out: Path, tmp_path: Path):
    again = content(demo(tmp_path / "again", records=12))
    assert again == content(out)
    other = content(demo(tmp_path / "other", records=2, seed=1))
    assert other["r00000.dat"] != again["r00000.dat"]


def test_a_record_does_not_depend_on_how_many_are_written(out: Path, tmp_path: Path):
    fewer, more = content(demo(tmp_path / "fewer", records=5)), content(out)
    del fewer["labels.csv"]
    assert all(more[name] == data for name, data in fewer.items())


def test_every_class_is_frequent_in_200_records_and_normal_is_the_most_frequent(recordings):
    counts = pd.Series([code for r in recordings for code in r.codes]).value_counts()
    assert len(counts) == 9
    assert counts.idxmax() == "NORM"
    assert counts.min() >= 15


def test_recordings_of_a_patient_share_the_diagnosis_and_the_heart(recordings):
    by_patient: dict[str, list] = {}
    for recording in recordings:
        by_patient.setdefault(recording.record.patient_id, []).append(recording)
    assert {len(group) for group in by_patient.values()} == {1, 2, 3, 4}
    for group in by_patient.values():
        if not group[0].patient.paroxysmal:
            assert len({recording.codes for recording in group}) == 1
        assert len({recording.record.age for recording in group}) == 1


def test_paroxysmal_fibrillation_comes_and_goes():
    from ecg_preproc.synthesis.tracing import trace

    patient = next(p for i in range(500) if (p := draw_patient(0, i)).paroxysmal and p.codes == ("AFIB",))
    seen = {trace(patient, seed=0, index=i, seconds=4, fs=100, noise=False).labels["dx"] for i in range(20)}
    assert seen == {("AFIB",), ("NORM",)}


def test_length_and_sampling_frequency_are_those_asked_for(tmp_path: Path):
    demo(tmp_path / "x", records=1, seconds=6, fs=250)
    (row,) = WFDBReader().scan(tmp_path / "x").rows()
    assert (row["fs"], row["n_samples"]) == (250.0, 1500)


def test_a_folder_that_holds_something_is_not_touched(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputExistsError, match="is not empty; choose another folder, or replace an earlier demo with --force"):
        demo(tmp_path, records=1)
    with pytest.raises(
        OutputExistsError, match=r"holds no earlier demo \(labels\.csv and r00000\.hea\), so --force replaces nothing"
    ):
        demo(tmp_path, records=1, force=True)
    with pytest.raises(OutputExistsError, match="is a file, expected a folder or nothing"):
        demo(tmp_path / "thesis.tex", records=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_force_replaces_an_earlier_demo_and_keeps_what_no_demo_wrote(tmp_path: Path):
    out = demo(tmp_path / "x", records=3, seconds=5, fs=100)
    (out / "notes.txt").write_text("mine")
    (out / "r1.hea").write_text("mine too")
    demo(out, records=2, seconds=5, fs=100, force=True)
    kept = {"notes.txt", "r1.hea"}
    assert set(content(out)) == {"labels.csv", "r00000.hea", "r00000.dat", "r00001.hea", "r00001.dat", *kept}
    assert [path.name for path in tmp_path.iterdir()] == ["x"]  # no partial folder stays


def test_force_on_an_untouched_demo_replaces_it_whole(tmp_path: Path):
    out = demo(tmp_path / "x", records=2, seconds=5, fs=100)
    demo(out, records=1, seconds=5, fs=100, force=True)
    assert sorted(content(out)) == ["labels.csv", "r00000.dat", "r00000.hea"]


def test_an_empty_folder_is_as_good_as_none(tmp_path: Path):
    (tmp_path / "x").mkdir()
    assert demo(tmp_path / "x", records=1, seconds=5, fs=100) == tmp_path / "x"


def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ecg_preproc.synthesis.dataset.trace", fail)
    with pytest.raises(KeyboardInterrupt):
        demo(tmp_path / "x", records=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"records": 0}, "records must be 1 to 100000, got 0"),
        ({"records": 100_001}, "records must be 1 to 100000"),
        ({"seconds": float("nan")}, "seconds must be 5 to 3600, got nan"),
        ({"seconds": 1}, "seconds must be 5 to 3600, got 1"),
        ({"fs": 10}, "fs must be 100 to 5000 Hz, got 10"),
        ({"seed": -1}, "seed must not be negative, got -1"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_written(tmp_path: Path, option: dict, message: str):
    with pytest.raises(DataError, match=message):
        demo(tmp_path / "x", **option)
    assert not list(tmp_path.iterdir())


def test_importing_the_command_loads_no_numpy():
    code = "import sys, ecg_preproc.synthesis.command; sys.exit('numpy' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
