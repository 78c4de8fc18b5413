"""A small data set of DICOM ECGs for the contract kit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecg_core.data.record import Record
from ecg_preproc.readers.small_recordings import three_recordings

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["dicom_example", "dicom_of", "group_of"]

_CODE = {"I": 1, "II": 2, "V1": 3, "V2": 4, "III": 61, "aVR": 62}
_ECG_STORAGE = "1.2.840.10008.5.1.4.1.1.9.1.1"


def dicom_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.dicom.DICOMReader` states to the kit."""
    return {
        "fixture": three_recordings("d", 500.0, _write),
        "refused": [{"group": -1}],
        "tolerance": 2e-4,  # mV: 16 bits of 10 mV
        "damages": {"an unknown unit": _unit, "fewer bytes than announced": _samples},
    }


def group_of(record: Record, *, unit: str = "uV", originality: str = "ORIGINAL", padding: int | None = None) -> Dataset:
    """A multiplex group of 16-bit samples, 5 mV to each side."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    group = Dataset()
    group.WaveformOriginality = originality
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = record.signal.shape
    group.SamplingFrequency = record.fs
    step = 5.0 / 32767 * {"uV": 1000.0, "mV": 1.0}[unit]
    channels = []
    for lead in record.leads:
        channel, source, units = Dataset(), Dataset(), Dataset()
        source.CodeValue, source.CodingSchemeDesignator = f"5.6.3-9-{_CODE[lead]}", "SCPECG"
        source.CodeMeaning = f"Lead {lead}"
        units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, "UCUM", unit
        channel.ChannelSourceSequence = Sequence([source])
        channel.ChannelSensitivity = f"{step:.12g}"[:16]
        channel.ChannelSensitivityUnitsSequence = Sequence([units])
        channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = 1, 0
        channel.WaveformBitsStored = 16
        channels.append(channel)
    group.ChannelDefinitionSequence = Sequence(channels)
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    digital = np.rint(record.signal / 5.0 * 32767)
    if padding is not None:
        digital = np.where(np.isnan(record.signal), padding, digital)
        group.add_new(0x5400100A, "OW", np.array([padding], dtype="<i2").tobytes())
    group.WaveformData = digital.T.astype("<i2").tobytes()
    return group


def dicom_of(groups: list[Dataset], *, patient: str | None = None, age: float | None = None, sex: str | None = None) -> Dataset:
    """A DICOM data set that holds these groups; ``save_as`` writes it."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import UID, ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = UID(_ECG_STORAGE)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = UID("1.2.3.4.5")
    dataset.Modality = "ECG"
    dataset.PatientID, dataset.PatientSex = patient or "", sex or ""
    if age is not None:
        dataset.PatientAge = f"{int(age):03d}Y"
    dataset.WaveformSequence = Sequence(groups)
    return dataset


def _write(record: Record, path: Path, number: int) -> None:
    group = group_of(record, unit="mV" if number else "uV")
    dataset = dicom_of([group], patient=record.patient_id, age=record.age, sex=record.sex)
    dataset.save_as(path.with_suffix(".dcm"), enforce_file_format=True)


def _unit(folder: Path) -> str:
    file = folder / "d1.dcm"
    file.write_bytes(file.read_bytes().replace(b"\x02\x00mV", b"\x02\x00Hg"))
    return "d1"


def _samples(folder: Path) -> str:
    file = folder / "d1.dcm"
    content = file.read_bytes()
    announced = (500).to_bytes(4, "little")
    file.write_bytes(content.replace(announced, (900).to_bytes(4, "little"), 1))
    return "d1"
