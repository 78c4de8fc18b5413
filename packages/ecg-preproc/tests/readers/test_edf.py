"""EDF: written by edfio, read back by name, unit and time; what contradicts itself is refused before it is decoded."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_core.data.record import Record
from ecg_core.errors import DataError, MissingExtraError
from ecg_preproc.readers.edf import EDFReader

edfio = pytest.importorskip("edfio")

from ecg_preproc.readers.edf_fixtures import write_edf  # noqa: E402 — needs edfio

X = np.random.default_rng(0).normal(0, 0.5, (3, 1000)).clip(-4, 4).astype(np.float32)
RECORD = Record(X, 250.0, ("I", "II", "V1"))


def read(folder):
    reader = EDFReader()
    (row,) = reader.scan(folder).rows()
    return reader.read(row)


@pytest.mark.parametrize("unit", ["mV", "uV"])
def test_amplitudes_come_back_within_half_a_step_whatever_the_unit(tmp_path, unit):
    write_edf(RECORD, tmp_path / "r.edf", unit=unit)
    assert np.abs(read(tmp_path).signal - X).max() <= 0.51 * 10 / 65535


@pytest.mark.parametrize(
    ("labels", "leads"),
    [
        (("ECG I", "ECG II", "EKG V1"), ("I", "II", "V1")),
        (("I", "aVR", "v6"), ("I", "aVR", "V6")),
        (("ECG AVL-Ref", "EEG C3-A2", "ECG2"), ("aVL", "ECG2")),
        (("ECG", "Resp chest", "SaO2"), ("ECG",)),
    ],
)
def test_only_what_is_called_an_ecg_is_taken_by_the_name_of_its_lead(tmp_path, labels, leads):
    write_edf(RECORD, tmp_path / "r.edf", labels=labels)
    record = read(tmp_path)
    assert record.leads == leads
    kept = [i for i, label in enumerate(labels) if not label.startswith(("EEG", "Resp", "SaO2"))]
    np.testing.assert_allclose(record.signal, X[kept], atol=1e-4)


def test_texts_of_edf_plus_become_events_at_their_time(tmp_path):
    notes = [edfio.EdfAnnotation(1.0, None, "PVC"), edfio.EdfAnnotation(2.5, None, "PVC"), edfio.EdfAnnotation(3.0, 0.5, "noise")]
    write_edf(RECORD, tmp_path / "r.edf", annotations=notes)
    found = read(tmp_path).annotations
    assert {name: where.tolist() for name, where in found.items()} == {"event/PVC": [250, 625], "event/noise": [750]}


def test_a_part_is_the_same_numbers_with_the_events_in_it(tmp_path):
    write_edf(
        RECORD, tmp_path / "r.edf", annotations=[edfio.EdfAnnotation(1.0, None, "PVC"), edfio.EdfAnnotation(3.0, None, "PVC")]
    )
    reader = EDFReader()
    (row,) = reader.scan(tmp_path).rows()
    part = reader.read_part(row, 200, 700)
    np.testing.assert_array_equal(part.signal, reader.read(row).signal[:, 200:700])
    assert part.annotations["event/PVC"].tolist() == [50]
    with pytest.raises(DataError, match="samples 900 to 1001 were asked for, the recording has 1000"):
        reader.read_part(row, 900, 1001)


def test_the_patient_is_known_by_code_sex_and_age_or_not_at_all(tmp_path):
    write_edf(Record(X, 250.0, ("I", "II", "V1"), "", "p7", 63.0, "F"), tmp_path / "r.edf")
    record = read(tmp_path)
    assert (record.patient_id, record.age, record.sex) == ("p7", 63.0, "F")
    (row,) = EDFReader(patient=False).scan(tmp_path).rows()
    assert row["patient_id"] is None
    write_edf(RECORD, tmp_path / "r.edf")
    record = read(tmp_path)
    assert (record.patient_id, record.age, record.sex) == (None, None, None)


def damaged(file, at: int, content: bytes) -> None:
    whole = bytearray(file.read_bytes())
    whole[at : at + len(content)] = content
    file.write_bytes(bytes(whole))


DAMAGES = {
    "cut": (lambda f: f.write_bytes(f.read_bytes()[:-100]), r"has \d+ bytes, its header announces \d+; the file is cut"),
    "longer": (lambda f: f.write_bytes(f.read_bytes() + b"xx"), "something was added, restore it"),
    "header only": (lambda f: f.write_bytes(f.read_bytes()[:100]), "the header of an EDF file alone has 256; restore it"),
    "number of signals": (lambda f: damaged(f, 252, b"9999"), "the header of the EDF file contradicts itself"),
    "letters for numbers": (lambda f: damaged(f, 236, b"many    "), "the header of the EDF file contradicts itself"),
    "10 million records": (lambda f: damaged(f, 236, b"9999999 "), "its header announces .*; the file is cut"),
    "unit": (lambda f: f.write_bytes(f.read_bytes().replace(b"mV      ", b"mmHg    ")), "lead I: the unit is 'mmHg'"),
    "physical range": (lambda f: f.write_bytes(f.read_bytes().replace(b"-5      ", b"5       ")), "the range of lead I is empty"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_refused_in_a_sentence(tmp_path, what):
    write_edf(RECORD, tmp_path / "r.edf")
    damage, said = DAMAGES[what]
    damage(tmp_path / "r.edf")
    reader = EDFReader()
    table = reader.scan(tmp_path)
    with pytest.raises(DataError, match=said):
        if len(table.rejects):
            raise DataError(table.rejects["reason"].iloc[0])
        reader.read(next(table.rows()))


def test_leads_of_different_rates_and_files_without_an_ecg_are_refused(tmp_path):
    signals = [
        edfio.EdfSignal(X[0].astype(float)[:: 1 + i], 250.0 / (1 + i), label=f"ECG {i}", physical_dimension="mV")
        for i in range(2)
    ]
    edfio.Edf(signals).write(tmp_path / "a.edf")
    write_edf(RECORD, tmp_path / "b.edf", labels=("EEG C3", "EEG C4", "SaO2"))
    reasons = EDFReader().scan(tmp_path).rejects["reason"].tolist()
    assert "its leads have different sampling frequencies (ECG 0 250, ECG 1 125 Hz); export them at one" in reasons[0]
    assert "it holds EEG C3, EEG C4, SaO2, and none is called ECG, EKG or by a lead's name; is it an ECG?" in reasons[1]


def test_without_edfio_the_install_line_is_said(tmp_path, monkeypatch):
    import sys

    write_edf(RECORD, tmp_path / "r.edf")
    monkeypatch.setitem(sys.modules, "edfio", None)
    with pytest.raises(MissingExtraError, match=r"reading EDF needs edfio: pip install 'ecg-preproc\[edf\]'"):
        EDFReader().scan(tmp_path)
