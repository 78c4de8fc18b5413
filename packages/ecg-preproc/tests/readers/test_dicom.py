"""DICOM waveforms: leads by their codes, amplitudes by their sensitivity, the recording and not its median beat."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ecg_core.data.record import Record
from ecg_core.errors import DataError, MissingExtraError
from ecg_preproc.readers.dicom import DICOMReader

pytest.importorskip("pydicom")

from ecg_preproc.readers.dicom_fixtures import dicom_of, group_of

LEADS = ("I", "II", "V1", "III", "aVR")
X = np.random.default_rng(0).normal(0, 0.5, (5, 600)).clip(-4, 4).astype(np.float32)
RECORD = Record(X, 500.0, LEADS)


def save(folder, dataset, name="r.dcm"):
    dataset.save_as(folder / name, enforce_file_format=True)


def read(folder, **words):
    reader = DICOMReader(**words)
    table = reader.scan(folder)
    if len(table.rejects):
        raise DataError(table.rejects["reason"].iloc[0])
    return reader.read(next(table.rows()))


@pytest.mark.parametrize("unit", ["uV", "mV"])
def test_amplitudes_are_those_of_the_sensitivity_and_its_unit(tmp_path, unit):
    save(tmp_path, dicom_of([group_of(RECORD, unit=unit)]))
    record = read(tmp_path)
    assert np.abs(record.signal - X).max() <= 0.51 * 5 / 32767
    assert (record.fs, record.leads) == (500.0, LEADS)


def test_sensitivity_correction_and_baseline_are_applied(tmp_path):
    group = group_of(RECORD, unit="mV")
    group.ChannelDefinitionSequence[1].ChannelSensitivityCorrectionFactor = 2
    group.ChannelDefinitionSequence[2].ChannelBaseline = 0.25
    save(tmp_path, dicom_of([group]))
    signal = read(tmp_path).signal
    np.testing.assert_allclose(signal[1], 2 * X[1], atol=4e-4)
    np.testing.assert_allclose(signal[2], X[2] + 0.25, atol=4e-4)


@pytest.mark.parametrize(
    ("code", "meaning", "lead"),
    [
        ("2:62", "whatever", "aVR"),
        ("5.6.3-9-8", "whatever", "V6"),
        ("MDC_ECG_LEAD_AVF", "whatever", "aVF"),
        ("X.1", "Lead aVL (augmented)", "aVL"),
        ("X.1", "Lead I (Einthoven)", "I"),
        ("X.1", "V3", "V3"),
    ],
)
def test_a_lead_is_known_by_its_code_or_else_by_its_meaning(tmp_path, code, meaning, lead):
    group = group_of(Record(X[:1], 500.0, ("I",)))
    source = group.ChannelDefinitionSequence[0].ChannelSourceSequence[0]
    source.CodeValue, source.CodeMeaning = code, meaning
    save(tmp_path, dicom_of([group]))
    assert read(tmp_path).leads == (lead,)


def test_the_median_beat_is_not_the_recording_unless_it_is_asked_for(tmp_path):
    beat = Record(X[:, :100], 1000.0, LEADS)
    save(tmp_path, dicom_of([group_of(beat, originality="DERIVED"), group_of(RECORD)]))
    assert read(tmp_path).n_samples == 600
    assert read(tmp_path, group=0).fs == 1000.0
    with pytest.raises(DataError, match=r"it holds 2 group\(s\) of leads, group 2 was asked for"):
        read(tmp_path, group=2)


def test_padding_is_nan_and_not_a_voltage(tmp_path):
    gap = X.copy()
    gap[2, 100:150] = np.nan
    save(tmp_path, dicom_of([group_of(Record(gap, 500.0, LEADS), padding=-32768)]))
    signal = read(tmp_path).signal
    assert np.isnan(signal[2, 100:150]).all()
    assert np.isfinite(np.delete(signal, slice(100, 150), axis=1)).all()


def test_age_follows_from_the_dates_where_it_is_not_stated(tmp_path):
    dataset = dicom_of([group_of(RECORD)], patient="p", sex="O")
    dataset.PatientBirthDate, dataset.AcquisitionDateTime = "19570102", "20200601101500"
    save(tmp_path, dataset)
    record = read(tmp_path)
    assert (record.age, record.sex, record.patient_id) == (63.0, None, "p")


def test_annotated_positions_become_events_counted_from_zero(tmp_path):
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    note, name = Dataset(), Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "5.10.3-1", "SCPECG", "R wave peak"
    note.ConceptNameCodeSequence = Sequence([name])
    note.ReferencedWaveformChannels, note.TemporalRangeType = [1, 0], "POINT"
    note.ReferencedSamplePositions = [101, 501]
    dataset = dicom_of([group_of(RECORD)])
    dataset.WaveformAnnotationSequence = Sequence([note])
    save(tmp_path, dataset)
    assert read(tmp_path).annotations["event/R wave peak"].tolist() == [100, 500]
    reader = DICOMReader()
    part = reader.read_part(next(reader.scan(tmp_path).rows()), 50, 300)
    assert part.annotations["event/R wave peak"].tolist() == [50]
    np.testing.assert_array_equal(part.signal, read(tmp_path).signal[:, 50:300])


def without(word):
    def change(dataset):
        for channel in dataset.WaveformSequence[0].ChannelDefinitionSequence[1:2]:
            del channel[word]

    return change


def unit(dataset):
    dataset.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelSensitivityUnitsSequence[0].CodeValue = "mm[Hg]"


def short(dataset):
    dataset.WaveformSequence[0].WaveformData = dataset.WaveformSequence[0].WaveformData[:-10]


def still(dataset):
    dataset.WaveformSequence[0].SamplingFrequency = 0


def derived(dataset):
    dataset.WaveformSequence[0].WaveformOriginality = "DERIVED"


def nameless(dataset):
    del dataset.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelSourceSequence


def picture(dataset):
    del dataset.WaveformSequence
    dataset.Modality = "CT"


def undescribed(dataset):
    del dataset.WaveformSequence[0].SamplingFrequency


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("ChannelSensitivity"), "lead II states no sensitivity, so its numbers have no unit"),
        (unit, "lead I: the unit is 'mm.Hg.', expected mV, uV, nV or V"),
        (short, r"its waveform has \d+ bytes and 5 described lead\(s\), expected \d+ and 5; restore the file"),
        (still, "its waveform has 5 lead.s. of 600 samples at 0 Hz, expected some of each"),
        (derived, "all its groups of leads are derived .median beats.; give the reader group="),
        (nameless, "lead 1 has no name; the file must say which lead it is"),
        (picture, "it holds no waveform .modality CT.; is it an ECG?"),
        (undescribed, "its waveform is not described in full"),
    ],
)
def test_what_is_not_said_or_contradicts_itself_is_refused_in_a_sentence(tmp_path, change, said):
    dataset = dicom_of([group_of(RECORD)])
    change(dataset)
    save(tmp_path, dataset)
    with pytest.raises(DataError, match=said):
        read(tmp_path)


def test_other_files_with_the_suffix_are_refused(tmp_path):
    (tmp_path / "r.dcm").write_text("no DICOM at all, however long the text may be" * 10)
    with pytest.raises(DataError, match="it is no DICOM file"):
        read(tmp_path)


def test_without_pydicom_the_install_line_is_said(tmp_path, monkeypatch):
    save(tmp_path, dicom_of([group_of(RECORD)]))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(MissingExtraError, match=r"reading DICOM needs pydicom: pip install 'ecg-preproc\[dicom\]'"):
        DICOMReader().scan(tmp_path)
