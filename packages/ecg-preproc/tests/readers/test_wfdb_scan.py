"""Scanning a folder: every record once, in a fixed order, and every damaged one with its reason."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError
from ecg_preproc.readers.wfdb import WFDBReader
from ecg_preproc.readers.write import write_record


def put(record: Record, folder: Path, name: str, **facts: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_record(dataclasses.replace(record, record_id=name, **facts), folder)


def test_a_scan_knows_the_facts_without_reading_signals(folder: Path):
    (row,) = WFDBReader().scan(folder).rows()
    assert row == {
        "record_id": "a",
        "patient_id": "p1",
        "root": str(folder),
        "path": "a",
        "fs": 100.0,
        "n_samples": 200,
        "leads": ("I", "II", "V1"),
        "age": 63.0,
        "sex": "F",
        "dx": ("AFIB", "CLBBB"),
    }


def test_unique_stems_name_the_records_and_paths_lead_to_them(tmp_path: Path, record: Record):
    put(record, tmp_path / "two", "b")
    put(record, tmp_path / "one", "c")
    put(record, tmp_path, "a")
    frame = WFDBReader().scan(tmp_path).frame
    assert frame["path"].tolist() == ["a", "one/c", "two/b"]
    assert frame["record_id"].tolist() == ["a", "c", "b"]


def test_records_of_the_same_stem_are_named_by_their_paths(tmp_path: Path, record: Record):
    put(record, tmp_path / "p1", "rec_1")
    put(record, tmp_path / "p2", "rec_1")
    assert WFDBReader().scan(tmp_path).frame["record_id"].tolist() == ["p1/rec_1", "p2/rec_1"]


def test_a_record_without_diagnoses_has_an_empty_target_where_others_have_one(tmp_path: Path, record: Record):
    put(record, tmp_path, "a")
    put(record, tmp_path, "b", labels={})
    table = WFDBReader().scan(tmp_path)
    assert table.targets == ("dx",)
    assert table.frame["dx"].tolist() == [("AFIB", "CLBBB"), ()]


def test_no_diagnosis_anywhere_means_no_target(tmp_path: Path, record: Record):
    put(record, tmp_path, "b", labels={})
    assert WFDBReader().scan(tmp_path).targets == ()


def test_damaged_records_are_rejected_with_a_reason_and_the_others_stay(tmp_path: Path, record: Record):
    for name in ("a", "b", "c", "d"):
        put(record, tmp_path, name)
    (tmp_path / "b.dat").unlink()
    (tmp_path / "c.hea").write_bytes(b"")
    (tmp_path / "e.hea").mkdir()  # a folder is not a header, and is not found
    table = WFDBReader().scan(tmp_path)
    assert table.frame["record_id"].tolist() == ["a", "d"]
    assert table.rejects["path"].tolist() == ["b.hea", "c.hea"]
    missing, empty = table.rejects["reason"]
    assert missing.startswith(f"{tmp_path / 'b.hea'}: there is no file 'b.dat'")
    assert "the header is empty" in empty


def test_a_header_of_a_megabyte_is_not_a_header(tmp_path: Path):
    (tmp_path / "a.hea").write_bytes(b"#" * (1 << 21))
    assert "has 2097152 bytes, expected at most 1048576" in WFDBReader().scan(tmp_path).rejects["reason"][0]


def test_an_empty_folder_and_a_missing_one_are_errors(tmp_path: Path):
    with pytest.raises(DataError, match=r"no WFDB header \(\*\.hea\) in it or below it; give a folder of WFDB records"):
        WFDBReader().scan(tmp_path)
    with pytest.raises(DataError, match="no such folder; give a folder of WFDB records"):
        WFDBReader().scan(tmp_path / "nowhere")


def test_a_folder_is_recognised_by_its_headers(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    assert WFDBReader().recognises(folder)
    assert WFDBReader().recognises(folder.parent)
    assert not WFDBReader().recognises(tmp_path_factory.mktemp("empty"))


def test_two_scans_of_a_folder_are_the_same(recordings: Path):
    first, second = (WFDBReader().scan(recordings / "ecgid").frame for _ in range(2))
    assert first.equals(second)
    assert first["path"].is_monotonic_increasing


def test_a_row_survives_the_table_on_disk(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    file = tmp_path_factory.mktemp("table") / "table.csv"
    table = WFDBReader().scan(folder)
    table.to_csv(file)
    (row,) = RecordTable.read_csv(file).rows()
    again = WFDBReader().read(row)
    assert (again.labels, again.age, again.sex) == ({"dx": ("AFIB", "CLBBB")}, 63.0, "F")


def test_missing_facts_are_none_and_not_nan(tmp_path: Path, record: Record):
    put(record, tmp_path, "a")
    put(record, tmp_path, "b", age=None, sex=None, patient_id=None)
    _, row = WFDBReader().scan(tmp_path).rows()
    assert np.isnan(row["age"])  # a column of numbers holds NaN
    again = WFDBReader().read(row)
    assert (again.age, again.sex, again.patient_id) == (None, None, None)


def test_a_reader_travels_to_another_process():
    reader = pickle.loads(pickle.dumps(WFDBReader(checksum=False)))
    assert reader.checksum is False
    assert reader.arguments == {"checksum": False}


def test_every_real_recording_can_be_scanned(recordings: Path):
    table = WFDBReader().scan(recordings)
    assert len(table.rejects) == 0
    assert len(table) == len(list(recordings.rglob("*.hea")))
