"""ECGIDReader and NSTDBReader: whose heart it is, and which noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecg_core.data.record import Record
from ecg_core.data.source import choose_reader
from ecg_core.errors import DataError
from ecg_preproc.readers.ecgid import ECGIDReader
from ecg_preproc.readers.nstdb import NSTDBReader
from ecg_preproc.readers.wfdb import WFDBReader
from ecg_preproc.readers.write import write_record


def test_persons_and_numbers_are_in_order_and_the_folder_is_the_patient(tmp_path: Path):
    ECGIDReader.conformance_params()["fixture"](tmp_path)
    table = ECGIDReader().scan(tmp_path)
    assert table.frame["record_id"].tolist() == ["Person_01/rec_2", "Person_01/rec_10", "Person_02/rec_1"]
    assert table.frame["patient_id"].tolist() == ["Person_01", "Person_01", "Person_02"]
    (row, *_) = table.rows()
    part, whole = ECGIDReader().read_part(row, 3, 9), ECGIDReader().read(row)
    assert part.leads == whole.leads == ("I", "I filtered")
    np.testing.assert_array_equal(part.signal, whole.signal[:, 3:9])


def test_a_record_without_annotations_is_refused_only_when_they_are_asked_for(tmp_path: Path):
    ECGIDReader.conformance_params()["fixture"](tmp_path)
    assert len(ECGIDReader().scan(tmp_path)) == 3
    table = ECGIDReader(annotations=True).scan(tmp_path)
    assert len(table) == 0
    assert "there is no file 'rec_2.atr'" in table.rejects["reason"][0]


def test_a_person_whose_folder_is_a_link_out_of_the_data_set_is_refused(tmp_path: Path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
        ECGIDReader.conformance_params()["fixture"](folder)
    (outside / "Person_02").rename(outside / "Person_03")
    (inside / "Person_03").symlink_to(outside / "Person_03")
    table = ECGIDReader().scan(inside)
    assert len(table) == 3
    assert table.rejects["path"].tolist() == ["Person_03/rec_1.hea"]
    assert "'Person_03' is a link that leaves" in table.rejects["reason"][0]


def test_only_folders_of_persons_are_recognised(tmp_path: Path):
    for place in ("Person_x", "person_01", "Person_01/more"):
        (tmp_path / place).mkdir(parents=True)
        write_record(Record(np.zeros((1, 4), np.float32), 100, ("I",), "rec_1"), tmp_path / place)
    assert not ECGIDReader().recognises(tmp_path)
    with pytest.raises(DataError, match=r"no records Person_01/rec_1\.hea … in it; give the folder of ECG-ID"):
        ECGIDReader().scan(tmp_path)


def test_the_real_persons_are_found(recordings: Path):
    reader = choose_reader(recordings / "ecgid")
    assert isinstance(reader, ECGIDReader)
    table = reader.scan(recordings / "ecgid")
    assert (len(table), table.frame["patient_id"].nunique(), len(table.rejects)) == (69, 10, 0)
    assert set(table.frame["sex"]) == {"F", "M"}
    row = next(table.rows())
    record = ECGIDReader(annotations=True).read(row)
    peaks = record.annotations["r_peaks"]
    assert len(peaks) >= 5
    heart_rate = 60 * record.fs / np.median(np.diff(peaks))
    assert 40 < heart_rate < 130
    # The authors filtered the same signal: it follows the raw one but for its slow drift and its hum.
    raw, filtered = record.signal[:, 10:] - record.signal[:, :-10]  # steps of 20 ms know nothing of drift, and little of 50 Hz
    assert np.corrcoef(raw, filtered)[0, 1] > 0.8


def test_noise_is_named_and_ecgs_are_no_noise(tmp_path: Path):
    NSTDBReader.conformance_params()["fixture"](tmp_path)
    write_record(Record(np.zeros((1, 4), np.float32), 360, ("MLII",), "118e_6"), tmp_path)
    assert NSTDBReader().recognises(tmp_path)
    table = NSTDBReader().scan(tmp_path)
    assert dict(zip(table.frame["record_id"], table.frame["noise"], strict=True)) == {
        "bw": ("baseline_wander",), "em": ("electrode_motion",), "ma": ("muscle_artifact",),
    }  # fmt: skip
    assert table.rejects.to_numpy().tolist() == [["118e_6.hea", "118e_6 is an ECG and not noise; read it with the reader wfdb"]]
    write_record(Record(np.zeros((1, 4), np.float32), 360, ("MLII",), "other"), tmp_path)
    assert not NSTDBReader().recognises(tmp_path)


def test_a_folder_without_noise_is_an_error(folder: Path):
    with pytest.raises(DataError, match=r"none of the headers bw\.hea, em\.hea and ma\.hea in it; give the folder of NSTDB"):
        NSTDBReader().scan(folder)


def test_the_real_noise_is_what_its_name_says(recordings: Path):
    reader = choose_reader(recordings / "nstdb")
    assert isinstance(reader, NSTDBReader)
    table = reader.scan(recordings / "nstdb")
    share = {}
    for row in table.rows():
        record = reader.read_part(row, 0, 36_000)
        np.testing.assert_array_equal(record.signal, WFDBReader().read(row).signal[:, :36_000])
        power = np.abs(np.fft.rfft(record.signal - record.signal.mean(axis=1, keepdims=True))) ** 2
        frequency = np.fft.rfftfreq(36_000, 1 / 360)
        share[record.record_id] = float(power[:, frequency < 1].sum() / power.sum())
    # Wander lies below 1 Hz, muscles sound far above it.
    assert share["bw"] > 0.8 > share["ma"]
    assert share["bw"] > share["em"]
