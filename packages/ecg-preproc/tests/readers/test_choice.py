"""Who reads an unnamed folder: every data set its own reader, and plain WFDB stays WFDB whatever else lies there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecg_core.data.record import Record
from ecg_core.data.source import choose_reader
from ecg_core.discovery.registries import READERS
from ecg_core.errors import DataError
from ecg_preproc.readers.challenge_fixtures import write_challenge
from ecg_preproc.readers.write import write_record


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("ptbxl", "ptbxl"), ("ptbxl_plus/ptbxl", "ptbxl"), ("mitdb", "mitdb"), ("nstdb", "nstdb"), ("ludb", "ludb"),
        ("cinc2017", "cinc"), ("cinc2021", "cinc"), ("ecgid", "ecgid"), ("cinc2011_seta", "wfdb"),
    ],
)  # fmt: skip
def test_each_data_set_has_its_own_reader(recordings: Path, folder: str, name: str):
    assert type(choose_reader(recordings / folder)) is READERS.get(name)


def test_a_wfdb_folder_with_a_table_of_numbers_and_stray_arrays_stays_wfdb(folder: Path):
    (folder / "labels.csv").write_text("record_id,dx,age\na,1,63\n")
    (folder / "numbers.csv").write_text("x,y\n1,2\n")
    np.save(folder / "embedding.npy", np.zeros((3, 4)))
    (folder / "notes.xml").write_text("<notes/>")
    assert type(choose_reader(folder)) is READERS.get("wfdb")


def test_arrays_alone_are_read_as_arrays(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    assert type(choose_reader(tmp_path)) is READERS.get("arrays")


def test_a_folder_of_two_data_sets_is_not_guessed(tmp_path: Path, record: Record):
    place = tmp_path / "Person_01"
    place.mkdir()
    write_challenge(Record(record.signal, 100, record.leads, "rec_1"), place, ["Dx: 426783006"])
    with pytest.raises(
        DataError, match="the readers 'cinc' and 'ecgid' expect; choose one of them with --reader cinc or --reader ecgid"
    ):
        choose_reader(tmp_path)


@pytest.mark.parametrize("name", ["wfdb", "edf", "dicom", "aecg", "muse", "scp"])
def test_formats_are_more_general_than_data_sets_and_less_than_arrays(name: str):
    assert READERS.build(name).generality == 1
    assert READERS.build("arrays").generality == 2


@pytest.mark.parametrize("name", ["ptbxl", "mitdb", "nstdb", "ludb", "ecgid", "cinc", "cpsc2018"])
def test_readers_of_one_data_set_are_asked_first(name: str):
    assert READERS.build(name).generality == 0


def test_our_own_records_are_read_as_wfdb(tmp_path: Path, record: Record):
    write_record(record, tmp_path)
    assert type(choose_reader(tmp_path)) is READERS.get("wfdb")
