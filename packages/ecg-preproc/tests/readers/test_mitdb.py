"""MITDBReader: beats by class, the division of the literature, and what it leaves out, with reasons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecg_core.data.annotation_file import AnnotationFile, write_annotations
from ecg_core.data.record import Record
from ecg_core.data.source import choose_reader
from ecg_core.errors import DataError
from ecg_preproc.readers.mitdb import DS1, DS2, PACED, MITDBReader
from ecg_preproc.readers.write import write_record

ALL = sorted(DS1 | DS2 | PACED)


def put(folder: Path, *names: str, comment: str = "69 M 1085 1629 x1") -> Path:
    zeros = np.zeros(3, dtype=np.int64)
    for name in names:
        signal = np.random.default_rng(int(name)).normal(0, 0.3, (2, 400)).astype(np.float32)
        write_record(Record(signal, 360, ("MLII", "V5"), name), folder, comments=[comment])
        write_annotations(AnnotationFile(np.array([5, 90, 200]), ("+", "L", "A"), zeros, zeros, zeros, ("(N", "", "")),
                          folder / f"{name}.atr")  # fmt: skip
    return folder


def test_the_division_is_44_records_of_the_48_without_the_paced_ones():
    assert (len(DS1), len(DS2), len(PACED), len(ALL)) == (22, 22, 4, 48)


def test_the_two_halves_and_what_is_left_out(tmp_path: Path):
    table = MITDBReader().scan(put(tmp_path, *ALL))
    split = dict(zip(table.frame["record_id"], table.frame["split"], strict=True))
    assert split == {**dict.fromkeys(DS1, "train"), **dict.fromkeys(DS2 - {"202"}, "test")}
    assert table.frame["record_id"].is_monotonic_increasing
    reasons = dict(table.rejects.to_numpy().tolist())
    assert set(reasons) == {"102.hea", "104.hea", "107.hea", "202.hea", "217.hea"}
    assert reasons["102.hea"] == "record 102 has paced beats, which AAMI EC57 leaves out; read it with paced=True"
    assert reasons["202.hea"] == "record 202 is of the same patient as 201, which is in the other half; read it with leak=True"


def test_what_is_left_out_can_be_read(tmp_path: Path):
    table = MITDBReader(paced=True, leak=True).scan(put(tmp_path, "102", "201", "202"))
    assert table.frame["record_id"].tolist() == ["102", "201", "202"]
    assert table.frame["split"].tolist() == [None, "train", "test"]
    assert table.frame["patient_id"].tolist() == ["102", "201", "202"]


def test_beats_are_called_by_their_aami_classes_or_their_symbols(tmp_path: Path):
    (row,) = MITDBReader().scan(put(tmp_path, "100")).rows()
    assert {n: p.tolist() for n, p in MITDBReader().read(row).annotations.items()} == {
        "r_peaks": [90, 200], "beat/N": [90], "beat/S": [200], "rhythm/N": [5],
    }  # fmt: skip
    assert {"beat/L", "beat/A"} <= set(MITDBReader(beats="mit").read(row).annotations)
    assert MITDBReader().read_part(row, 90, 300).annotations["beat/S"].tolist() == [110]
    with pytest.raises(DataError, match="beats are called by 'mit' symbols or 'aami' classes, got 'ec57'"):
        MITDBReader(beats="ec57")


@pytest.mark.parametrize(
    ("comment", "age", "sex"), [("69 M 1085 1629 x1", 69.0, "M"), ("-1 F 1 2 x1", None, "F"), ("Aldomet, Inderal", None, None)]
)
def test_age_and_sex_stand_in_the_first_comment(tmp_path: Path, comment: str, age: float | None, sex: str | None):
    (row,) = MITDBReader().scan(put(tmp_path, "100", comment=comment)).rows()
    record = MITDBReader().read(row)
    assert (record.age, record.sex) == (age, sex)


def test_only_a_folder_of_these_records_with_their_annotations_is_recognised(tmp_path: Path):
    reader = MITDBReader()
    assert not reader.recognises(tmp_path)
    put(tmp_path, "100", "101")
    assert reader.recognises(tmp_path)
    assert not reader.recognises(tmp_path.parent)
    write_record(Record(np.zeros((1, 4), np.float32), 100, ("I",), "other"), tmp_path)
    assert not reader.recognises(tmp_path)
    (tmp_path / "other.hea").unlink()
    for name in ("100", "101"):
        (tmp_path / f"{name}.atr").unlink()
    assert not reader.recognises(tmp_path)


def test_a_folder_without_these_records_is_an_error(tmp_path: Path):
    with pytest.raises(
        DataError, match=r"no record of the MIT-BIH Arrhythmia Database \(100\.hea …\) in it; give the folder of them"
    ):
        MITDBReader().scan(tmp_path)


def test_the_real_database_is_chosen_by_itself_and_read(recordings: Path):
    reader = choose_reader(recordings / "mitdb")
    assert isinstance(reader, MITDBReader)
    table = reader.scan(recordings / "mitdb")
    assert set(table.frame["record_id"]) <= DS1 | DS2
    row = next(row for row in table.rows() if row["record_id"] == "203")
    record = reader.read(row)
    # PhysioNet's table of record 203: 2529 N, 2 atrial premature, 444 V, 1 fusion, 4 unclassifiable; a man of 43.
    counts = {name: len(record.annotations[name]) for name in ("beat/N", "beat/S", "beat/V", "beat/F", "beat/Q")}
    assert counts == {"beat/N": 2529, "beat/S": 2, "beat/V": 444, "beat/F": 1, "beat/Q": 4}
    assert (record.age, record.sex) == (43.0, "M")
    part = reader.read_part(row, 100_000, 110_000)
    np.testing.assert_array_equal(part.signal, record.signal[:, 100_000:110_000])
    assert part.annotations["r_peaks"].tolist() == record.crop(100_000, 110_000).annotations["r_peaks"].tolist()


def test_r_peaks_lie_on_steep_high_waves(recordings: Path):
    reader = MITDBReader()
    row = next(row for row in reader.scan(recordings / "mitdb").rows() if row["record_id"] == "101")
    record = reader.read(row)
    signal, peaks = record.signal[0], record.annotations["beat/N"]
    peaks = peaks[(peaks > 50) & (peaks < len(signal) - 50)]
    around = np.stack([signal[peaks + shift] for shift in range(-8, 9)]).max(axis=0)
    assert np.mean(around > np.quantile(signal, 0.97)) > 0.97
