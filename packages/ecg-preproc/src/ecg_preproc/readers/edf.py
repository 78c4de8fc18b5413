"""EDFReader: EDF and EDF+ files, through edfio.

Format: Kemp et al. 1992, "A simple format for exchange of digitized polygraphic recordings"; Kemp and Olivan 2003 (EDF+).
An EDF file often holds more than an ECG: only signals whose label says so, or names an ECG lead, are taken.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecg_core.data.leads import STANDARD_12, canonical_lead
from ecg_core.data.record import Record
from ecg_core.errors import DataError, MissingExtraError
from ecg_preproc.readers.recording_files import RecordingFiles, check_span
from ecg_preproc.readers.units import per_mv

if TYPE_CHECKING:
    from edfio import Edf, EdfSignal

__all__ = ["EDFReader"]

_LEADS = {*STANDARD_12, "V7", "V8", "V9", "V3R", "V4R", "X", "Y", "Z", "MLII", "CM5", "CC5"}
_ECG_RE = re.compile(r"(ECG|EKG)[\s_:-]*(.*)", re.IGNORECASE)
_HEADER = 256  # bytes of the fixed part of a header
_SEX = {"M": "M", "F": "F"}


class EDFReader(RecordingFiles):
    """Reads EDF and EDF+ files, one recording each. Needs the extra ``ecg-preproc[edf]``.

    Signals labelled ``ECG …``, ``EKG …`` or by the name of a lead become leads; the others, of a sleep study for example, are
    left. Sex and age come from the patient's field of EDF+; texts of EDF+ annotations become ``event/TEXT``.

    Args:
        patient: Take the patient code of the header as ``patient_id``. A code such as ``X`` means unknown.
    """

    suffixes = (".edf",)
    what = "EDF file (*.edf)"

    def __init__(self, *, patient: bool = True) -> None:
        self.patient = patient

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit reads with it."""
        from ecg_preproc.readers.edf_fixtures import edf_example

        return edf_example()

    def facts(self, file: str) -> dict[str, Any]:
        edf = _opened(file)
        signals = _ecg(edf)
        fs, n_samples = _common(edf, signals)
        return {"fs": fs, "n_samples": n_samples, "leads": tuple(lead for lead, _ in signals), **self._person(edf)}

    def open(self, file: str, span: tuple[int, int] | None = None) -> Record:
        edf = _opened(file)
        signals = _ecg(edf)
        fs, n_samples = _common(edf, signals)
        check_span(span, n_samples)
        rows = [_millivolts(lead, signal, span) for lead, signal in signals]
        start, stop = span or (0, n_samples)
        return Record(
            np.stack(rows).astype(np.float32),
            fs,
            tuple(lead for lead, _ in signals),
            Path(file).stem,
            annotations=_events(edf, fs, start, stop),
            **self._person(edf),
        )

    def _person(self, edf: Edf) -> dict[str, Any]:
        person, recording = _stated(edf, "patient"), _stated(edf, "recording")
        code, sex, born = (_stated(person, name) for name in ("code", "sex", "birthdate"))
        begun = _stated(recording, "startdate")
        return {
            "patient_id": code if self.patient and code not in (None, "", "X") else None,
            "age": None if born is None or begun is None or begun < born else float((begun - born).days // 365.2425),
            "sex": _SEX.get(str(sex)),
        }


def _stated(holder: Any, name: str) -> Any:
    """What a header says, or ``None``: plain EDF has no such field, and edfio raises several kinds where one is anonymised."""
    try:
        return getattr(holder, name)
    except Exception:
        return None


def _opened(file: str) -> Edf:
    try:
        from edfio import read_edf
    except ImportError:
        raise MissingExtraError("reading EDF needs edfio: pip install 'ecg-preproc[edf]'") from None
    size = Path(file).stat().st_size
    if size < _HEADER:
        raise DataError(f"the file has {size} bytes, the header of an EDF file alone has {_HEADER}; restore it")
    with open(file, "rb") as opened:
        header = opened.read(_HEADER)
    _check_size(header, file, size)
    try:
        return read_edf(file, lazy_load_data=True)
    except Exception as error:
        raise DataError(f"it is no sound EDF file ({error}); restore it") from None


def _check_size(header: bytes, file: str, size: int) -> None:
    """Compare what the header announces with what is there, before anything is allocated."""
    try:
        records, signals, header_bytes = int(header[236:244]), int(header[252:256]), int(header[184:192])
        if not (0 < signals <= 4096 and header_bytes == _HEADER * (signals + 1) and records != 0):
            raise ValueError
        with open(file, "rb") as opened:
            opened.seek(_HEADER + 216 * signals)
            samples = [int(opened.read(8)) for _ in range(signals)]
    except ValueError:
        raise DataError("the header of the EDF file contradicts itself; restore it") from None
    expected = header_bytes + 2 * sum(samples) * max(records, 0)
    if records > 0 and size != expected:
        wrong = "the file is cut" if size < expected else "something was added"
        raise DataError(f"the file has {size} bytes, its header announces {expected}; {wrong}, restore it")


def _ecg(edf: Edf) -> list[tuple[str, EdfSignal]]:
    found: list[tuple[str, EdfSignal]] = []
    for signal in edf.signals:
        label = signal.label.strip()
        named = _ECG_RE.fullmatch(label)
        # "ECG II", "EKG V5-Ref", "II"; an "ECG" or "ECG1" without the name of a lead keeps its label.
        lead = canonical_lead(re.sub(r"[\s_-]*(ref|le)$", "", named[2] if named else label, flags=re.IGNORECASE))
        if lead in _LEADS:
            found.append((lead, signal))
        elif named:
            found.append((label, signal))
    if not found:
        held = ", ".join(signal.label for signal in edf.signals) or "no signals"
        raise DataError(f"it holds {held}, and none is called ECG, EKG or by a lead's name; is it an ECG?")
    return found


def _common(edf: Edf, signals: list[tuple[str, EdfSignal]]) -> tuple[float, int]:
    if not edf.is_continuous:
        raise DataError("the recording has gaps (EDF+D), which are not read; export it as continuous EDF")
    rates = {signal.sampling_frequency for _, signal in signals}
    if len(rates) > 1:
        listed = ", ".join(f"{lead} {signal.sampling_frequency:g}" for lead, signal in signals)
        raise DataError(f"its leads have different sampling frequencies ({listed} Hz); export them at one")
    _, first = signals[0]
    return float(rates.pop()), int(first.samples_per_data_record * edf.num_data_records)


def _millivolts(lead: str, signal: EdfSignal, span: tuple[int, int] | None) -> np.ndarray:
    if signal.digital_min == signal.digital_max or signal.physical_min == signal.physical_max:
        raise DataError(f"the range of lead {lead} is empty, so its numbers mean nothing; restore the header")
    try:
        scale = per_mv(signal.physical_dimension)
    except DataError as error:
        raise DataError(f"lead {lead}: {error}") from None
    if span is None:
        return signal.data / scale
    fs = signal.sampling_frequency
    return signal.get_data_slice(span[0] / fs, span[1] / fs) / scale


def _events(edf: Edf, fs: float, start: int, stop: int) -> dict[str, np.ndarray]:
    found: dict[str, list[int]] = {}
    for event in edf.annotations:
        position = round(event.onset * fs) - start
        if event.text.strip() and 0 <= position < stop - start:
            found.setdefault(f"event/{event.text.strip()}", []).append(position)
    return {name: np.array(sorted(positions), dtype=np.int64) for name, positions in sorted(found.items())}
