"""DICOMReader: ECGs as DICOM waveforms (PS3.3 A.34, Supplement 30), through pydicom.

A file may hold several multiplex groups: the recording itself and, often, a median beat computed from it. The recording is
the first group that calls itself original.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecg_core.data.leads import canonical_lead
from ecg_core.data.record import Record
from ecg_core.errors import DataError, MissingExtraError
from ecg_preproc.readers.recording_files import RecordingFiles, check_span
from ecg_preproc.readers.units import per_mv

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["DICOMReader"]

# The last number of a lead's code in SCP-ECG (5.6.3-9-61) and in ISO/IEEE 11073-10101 (2:61); EN 1064, table of lead codes.
_CODES = {
    1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6", 9: "V7", 11: "V3R", 12: "V4R", 16: "X", 17: "Y",
    18: "Z", 61: "III", 62: "aVR", 63: "aVL", 64: "aVF", 66: "V8", 67: "V9",
}  # fmt: skip
_CODE_RE = re.compile(r"(?:5\.6\.3-9-|2:|MDC_ECG_LEAD_)(\w+)")
_MEANING_RE = re.compile(r"(?:lead\s+)?(\w+)(?:\s*\(.*\))?", re.IGNORECASE)
_AGE_RE = re.compile(r"(\d{1,3})([YMWD])")
_PER_YEAR = {"Y": 1.0, "M": 12.0, "W": 52.1775, "D": 365.2425}


class DICOMReader(RecordingFiles):
    """Reads DICOM ECG waveforms, one recording per file. Needs the extra ``ecg-preproc[dicom]``.

    Padding becomes NaN. Positions that the file annotates become ``event/MEANING``.

    Args:
        group: Which multiplex group, counted from 0; ``None`` takes the first that is original.

    Raises:
        DataError: ``group`` is negative.
    """

    suffixes = (".dcm", ".dicom")
    what = "DICOM file (*.dcm)"

    def __init__(self, *, group: int | None = None) -> None:
        if group is not None and group < 0:
            raise DataError(f"group counts from 0, got {group!r}")
        self.group = group

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.dicom_fixtures import dicom_example

        return dicom_example()

    def facts(self, file: str) -> dict[str, Any]:
        dataset = _opened(file)
        group = dataset.WaveformSequence[self._chosen(dataset)]
        fs, n_samples = _axis(group)
        leads = tuple(_lead(channel, i) for i, channel in enumerate(group.ChannelDefinitionSequence))
        return {"fs": fs, "n_samples": n_samples, "leads": leads, **_person(dataset)}

    def open(self, file: str, span: tuple[int, int] | None = None) -> Record:
        dataset = _opened(file)
        number = self._chosen(dataset)
        group = dataset.WaveformSequence[number]
        fs, n_samples = _axis(group)
        check_span(span, n_samples)
        start, stop = span or (0, n_samples)
        leads = tuple(_lead(channel, i) for i, channel in enumerate(group.ChannelDefinitionSequence))
        signal = _millivolts(dataset, number, leads)[:, start:stop]
        return Record(
            signal.astype(np.float32), fs, leads, Path(file).stem, annotations=_events(dataset, number, start, stop),
            **_person(dataset),
        )  # fmt: skip

    def _chosen(self, dataset: Dataset) -> int:
        groups = dataset.WaveformSequence
        if self.group is not None:
            if self.group >= len(groups):
                raise DataError(f"it holds {len(groups)} group(s) of leads, group {self.group} was asked for")
            return self.group
        original = [i for i, group in enumerate(groups) if str(group.get("WaveformOriginality", "")) != "DERIVED"]
        if not original:
            raise DataError("all its groups of leads are derived (median beats); give the reader group=… to read one of them")
        return original[0]


def _opened(file: str) -> Dataset:
    try:
        from pydicom import dcmread
        from pydicom.errors import InvalidDicomError
    except ImportError:
        raise MissingExtraError("reading DICOM needs pydicom: pip install 'ecg-preproc[dicom]'") from None
    try:
        dataset = dcmread(file)
        groups = dataset.get("WaveformSequence")
    except InvalidDicomError:
        raise DataError("it is no DICOM file (its preamble is missing); restore it") from None
    except Exception as error:
        raise DataError(f"it is no sound DICOM file ({type(error).__name__}: {error}); restore it") from None
    if not groups:
        kind = str(dataset.get("Modality", "unknown"))
        raise DataError(f"it holds no waveform (modality {kind}); is it an ECG?")
    return dataset


def _axis(group: Dataset) -> tuple[float, int]:
    try:
        fs, n_samples, channels = (
            float(group.SamplingFrequency),
            int(group.NumberOfWaveformSamples),
            int(group.NumberOfWaveformChannels),
        )
        bits = int(group.WaveformBitsAllocated)
        size, described = len(group.WaveformData), len(group.ChannelDefinitionSequence)
    except (AttributeError, TypeError, ValueError) as error:
        raise DataError(f"its waveform is not described in full ({error}); restore the file") from None
    if not (0 < fs < float("inf") and n_samples > 0 and channels > 0):
        raise DataError(f"its waveform has {channels} lead(s) of {n_samples} samples at {fs:g} Hz, expected some of each")
    expected = n_samples * channels * bits // 8
    if described != channels or size not in (expected, expected + 1):  # values of DICOM have an even length
        held, wanted = f"{size} bytes and {described} described lead(s)", f"{expected} and {channels}"
        raise DataError(f"its waveform has {held}, expected {wanted}; restore the file")
    return fs, n_samples


def _lead(channel: Dataset, number: int) -> str:
    for source in channel.get("ChannelSourceSequence", ()):
        code = _CODE_RE.fullmatch(str(source.get("CodeValue", "")))
        if code and code[1].isdigit() and int(code[1]) in _CODES:
            return _CODES[int(code[1])]
        if code and not code[1].isdigit():
            return canonical_lead(code[1])
        if meaning := _MEANING_RE.fullmatch(str(source.get("CodeMeaning", "")).strip()):
            return canonical_lead(meaning[1])
    label = str(channel.get("ChannelLabel", "")).strip()
    if not label:
        raise DataError(f"lead {number + 1} has no name; the file must say which lead it is")
    return canonical_lead(label.removeprefix("Lead ").removeprefix("LEAD "))


def _millivolts(dataset: Dataset, number: int, leads: tuple[str, ...]) -> np.ndarray:
    from pydicom.waveforms.numpy_handler import multiplex_array

    group = dataset.WaveformSequence[number]
    scales = []
    for lead, channel in zip(leads, group.ChannelDefinitionSequence, strict=True):
        units = channel.get("ChannelSensitivityUnitsSequence")
        if "ChannelSensitivity" not in channel or not units:
            raise DataError(f"lead {lead} states no sensitivity, so its numbers have no unit; restore the file")
        try:
            scales.append(per_mv(str(units[0].get("CodeValue", ""))))
        except DataError as error:
            raise DataError(f"lead {lead}: {error}") from None
    try:
        physical = np.array(multiplex_array(dataset, number, as_raw=False), dtype=np.float64).T
        if "WaveformPaddingValue" in group:
            raw = multiplex_array(dataset, number, as_raw=True).T
            padding = np.frombuffer(group["WaveformPaddingValue"].value, dtype=raw.dtype)[:1]
            physical[np.isin(raw, padding)] = np.nan
    except Exception as error:
        raise DataError(f"its waveform cannot be decoded ({error}); restore the file") from None
    return physical / np.array(scales)[:, None]


def _person(dataset: Dataset) -> dict[str, Any]:
    patient, sex = str(dataset.get("PatientID", "") or "").strip(), str(dataset.get("PatientSex", "") or "")
    return {"patient_id": patient or None, "age": _age(dataset), "sex": sex if sex in ("F", "M") else None}


def _age(dataset: Dataset) -> float | None:
    if found := _AGE_RE.fullmatch(str(dataset.get("PatientAge", "") or "").strip()):
        return float(int(found[1]) / _PER_YEAR[found[2]])
    born, taken = (str(dataset.get(word, "") or "")[:8] for word in ("PatientBirthDate", "AcquisitionDateTime"))
    try:
        days = (date(int(taken[:4]), int(taken[4:6]), int(taken[6:])) - date(int(born[:4]), int(born[4:6]), int(born[6:]))).days
    except ValueError:
        return None
    return float(days // 365.2425) if days >= 0 else None


def _events(dataset: Dataset, number: int, start: int, stop: int) -> dict[str, np.ndarray]:
    found: dict[str, set[int]] = {}
    for note in dataset.get("WaveformAnnotationSequence", ()):
        names, positions = note.get("ConceptNameCodeSequence"), note.get("ReferencedSamplePositions")
        channels = [int(i) for i in np.atleast_1d(note.get("ReferencedWaveformChannels") or [number + 1, 0])]
        if not names or positions is None or channels[0] != number + 1:
            continue
        name = f"event/{str(names[0].get('CodeMeaning', '')).strip()}"
        places = {int(p) - 1 - start for p in np.atleast_1d(positions)}  # DICOM counts samples from 1
        found.setdefault(name, set()).update(p for p in places if 0 <= p < stop - start)
    return {name: np.array(sorted(places), dtype=np.int64) for name, places in sorted(found.items()) if places}
