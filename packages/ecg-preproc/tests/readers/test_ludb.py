"""LUDBReader: twelve files of waves per record, and the statements of the headers as targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecg_core.data.leads import STANDARD_12
from ecg_core.data.source import choose_reader
from ecg_core.errors import DataError
from ecg_preproc.readers.ludb import LUDBReader


@pytest.fixture
def written(tmp_path: Path) -> Path:
    LUDBReader.conformance_params()["fixture"](tmp_path)
    return tmp_path


def test_waves_of_every_lead_and_r_peaks_of_lead_two(written: Path):
    row = next(LUDBReader().scan(written).rows())
    annotations = LUDBReader().read(row).annotations
    assert annotations["wave/p_on/I"].tolist() == [200]
    assert annotations["wave/qrs_off/V6"].tolist() == [260 + 11]
    assert annotations["r_peaks"].tolist() == annotations["wave/qrs_peak/II"].tolist() == [250 + 1]
    assert len(annotations) == 1 + 6 * 12
    assert LUDBReader().read_part(row, 205, 300).annotations["wave/qrs_on/aVR"].tolist() == [240 + 3 - 205]


def test_records_are_in_the_order_of_their_numbers(written: Path):
    assert LUDBReader().scan(written).frame["record_id"].tolist() == ["1", "2", "10"]


def test_the_folder_of_the_records_themselves_is_read_too(written: Path):
    assert LUDBReader().recognises(written / "data")
    assert LUDBReader().scan(written / "data").frame["path"].tolist() == ["1", "2", "10"]


def test_a_folder_is_recognised_by_twelve_files_of_annotations(written: Path):
    assert LUDBReader().recognises(written)
    (written / "data" / "1.avl").unlink()
    assert not LUDBReader().recognises(written)


def test_a_record_that_lacks_a_lead_of_annotations_is_refused(written: Path):
    (written / "data" / "2.avl").unlink()
    table = LUDBReader().scan(written)
    assert table.frame["record_id"].tolist() == ["1", "10"]
    assert table.rejects["reason"].tolist() == ["there is no file '2.avl'; restore it or remove what names it"]


def test_a_folder_of_something_else_is_an_error(tmp_path: Path, folder: Path):
    with pytest.raises(DataError, match=r"no record of LUDB can be read, the first because there is no file 'a\.i'"):
        LUDBReader().scan(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no WFDB header \(\*\.hea\) in it or in its folder 'data'; give the folder of LUDB"):
        LUDBReader().scan(tmp_path / "empty")


def test_the_real_database_is_chosen_by_itself_and_its_waves_are_in_order(recordings: Path):
    reader = choose_reader(recordings / "ludb")
    assert isinstance(reader, LUDBReader)
    table = reader.scan(recordings / "ludb")
    assert len(table.rejects) == 0
    assert all(len(rhythm) == 1 for rhythm in table.frame["rhythm"])
    waves = whole = 0
    for row in table.rows():
        annotations = reader.read(row).annotations
        for lead in STANDARD_12:
            for wave in ("p", "qrs", "t"):
                none = np.zeros(0, dtype=np.int64)  # atrial fibrillation has no P waves
                on, peak, off = (annotations.get(f"wave/{wave}_{part}/{lead}", none) for part in ("on", "peak", "off"))
                waves += len(peak)
                if len(on) == len(peak) == len(off):
                    whole += len(peak)
                    # Set by hand: where a wave begins at its peak, its onset may stand up to 4 ms behind it.
                    assert np.all(on <= peak + 2), (row["record_id"], lead, wave)
                    assert np.all(peak <= off), (row["record_id"], lead, wave)
    # The 112 records hold 12330 QRS, 11046 T and 9491 P; a few QRS complexes lack a bracket.
    assert waves == 12330 + 11046 + 9491
    assert whole > 0.99 * waves


def test_statements_of_the_headers_are_targets(recordings: Path):
    row = next(row for row in LUDBReader().scan(recordings / "ludb").rows() if row["record_id"] == "1")
    assert row["rhythm"] == ("Sinus bradycardia",)
    assert row["axis"] == ("left axis deviation",)
    assert row["diagnoses"] == (
        "Left ventricular hypertrophy",
        "Left ventricular overload",
        "Non-specific repolarization abnormalities: posterior wall",
    )
    assert (row["age"], row["sex"]) == (51.0, "F")
