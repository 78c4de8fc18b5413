"""One WFDB header, parsed strictly: what the standard allows is read, what it does not say is an error, never a guess.

Standard: header(5) of the WFDB Applications Guide (Moody), https://physionet.org/physiotools/wag/header-5.htm.
Differs from the standard: a sampling frequency and a name for every lead are required, and units must be volts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from ecg_core.data.leads import canonical_leads
from ecg_core.errors import DataError

__all__ = ["FORMATS", "MAX_FS", "MIN_FS", "Header", "SignalLine", "parse_header"]

# Bytes per sample of the formats that are read.
FORMATS: Mapping[int, float] = MappingProxyType({16: 2.0, 212: 1.5})

# Outside this range a number is a typing error, not the sampling frequency of an ECG (Holter 128 Hz, late potentials 10 kHz).
MIN_FS, MAX_FS = 1.0, 100_000.0

# How many of a unit make 1 mV; spelling is compared without case, because CinC 2021 writes both mV and mv.
# The micro sign and the Greek letter mu look alike and are two characters.
_UNITS_PER_MV = {"mv": 1.0, "v": 0.001, "uv": 1000.0, "\u00b5v": 1000.0, "\u03bcv": 1000.0}

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_INTEGER_RE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_FS_RE = re.compile(rf"({_NUMBER})(?:/{_NUMBER}(?:\({_NUMBER}\))?)?", re.ASCII)
_FORMAT_RE = re.compile(r"(\d{1,9})(?:x(\d{1,18}))?(?::(\d{1,18}))?(?:\+(\d{1,18}))?", re.ASCII)
_GAIN_RE = re.compile(rf"({_NUMBER})(?:\(([+-]?\d{{1,18}})\))?(?:/(\S+))?", re.ASCII)
_CONTROL_RE = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_FIELDS = "file, format, gain, ADC resolution, ADC zero, initial value, checksum, block size and lead name"


@dataclass(frozen=True, slots=True)
class SignalLine:
    """One lead as the header describes it.

    Args:
        file: Signal file, a plain name beside the header.
        format: WFDB storage format.
        offset: Bytes before the first sample of the file.
        gain: ADC units per mV.
        baseline: ADC value of 0 mV.
        checksum: Sum of all samples, modulo 65536.
        lead: Name as written.
    """

    file: str
    format: int
    offset: int
    gain: float
    baseline: int
    checksum: int
    lead: str


@dataclass(frozen=True, slots=True)
class Header:
    """One record as its header describes it.

    Args:
        fs: Sampling frequency in Hz.
        n_samples: Samples per lead; ``None`` when the header leaves it out and the file decides.
        signals: One line per lead.
        leads: Their names, in canonical spelling.
        comments: Comment lines without ``#``.
    """

    fs: float
    n_samples: int | None
    signals: tuple[SignalLine, ...]
    leads: tuple[str, ...]
    comments: tuple[str, ...]

    @property
    def has_checksums(self) -> bool:
        """Whether checksums were computed. CinC 2017 writes 0 for every lead, which is a placeholder and not a sum."""
        return any(signal.checksum for signal in self.signals)


def parse_header(content: bytes, *, name: str = "header") -> Header:
    """Parse one header file.

    Args:
        content: The bytes of the ``.hea`` file.
        name: How errors call it, usually its path.

    Raises:
        DataError: The header is empty, binary, contradicts itself, or describes something that is not read here.
    """
    try:
        return _parse(_decode(content))
    except DataError as error:
        raise DataError(f"{name}: {error}") from None


def _decode(content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # older headers write µV in one byte
    if _CONTROL_RE.search(text):
        raise DataError("the file is binary, expected the text of a WFDB header; is it really a header?")
    return text


def _parse(text: str) -> Header:
    lines, comments = [], []
    for line in text.split("\n"):
        line = line.strip()
        if line.startswith("#"):
            comments.append(line[1:].strip())
        elif line:
            lines.append(line)
    if not lines:
        raise DataError("the header is empty, expected a WFDB record line such as 'r0001 12 500 5000'; restore the file")
    n_signals, fs, n_samples = _record_line(lines[0])
    if len(lines) - 1 != n_signals:
        raise DataError(f"the header announces {n_signals} signal(s) and describes {len(lines) - 1}; it is damaged, restore it")
    signals = tuple(_signal_line(line, i) for i, line in enumerate(lines[1:], start=1))
    return Header(fs, n_samples, signals, _canonical(tuple(signal.lead for signal in signals)), tuple(comments))


def _record_line(line: str) -> tuple[int, float, int | None]:
    fields = line.split()
    if "/" in fields[0]:
        raise DataError(f"multi-segment records ({_short(fields[0])}) are not read; use the segments as records of their own")
    if len(fields) < 2:
        raise DataError(f"the header begins with {_short(line)}, expected a WFDB record line such as 'r0001 12 500 5000'")
    n_signals = _integer(fields[1], "the number of signals")
    if n_signals < 1:
        raise DataError(f"the header announces {n_signals} signals, expected at least 1; it describes no recording")
    if len(fields) < 3:
        raise DataError("the sampling frequency is missing; add it to the first line, e.g. 'r0001 12 500 5000'")
    found = _FS_RE.fullmatch(fields[2])
    fs = float(found[1]) if found else float("nan")
    if not MIN_FS <= fs <= MAX_FS:
        raise DataError(
            f"the sampling frequency is {_short(fields[2])}, expected {MIN_FS:g} to {MAX_FS:g} Hz; correct the first line"
        )
    n_samples = _integer(fields[3], "the number of samples") if len(fields) > 3 else 0
    if n_samples < 0:
        raise DataError(f"the number of samples is {n_samples}, expected a positive number; correct the first line")
    return n_signals, fs, n_samples or None  # the standard: 0 or absent means "not stated"


def _signal_line(line: str, index: int) -> SignalLine:
    fields = line.split(None, 8)
    try:
        if len(fields) < 9:
            raise DataError(
                f"the line has {len(fields)} of 9 fields ({_FIELDS}); "
                f"{'add the lead name' if len(fields) == 8 else 'complete it'}"
            )
        file, storage, gain, resolution, zero, initial, checksum, block, lead = fields
        if not _is_plain_name(file):
            raise DataError(f"the signal file {_short(file)} is not a plain file name beside the header; refused for safety")
        form, offset = _parse_format(storage)
        adu_per_mv, baseline = _parse_gain(gain, _integer(zero, "the ADC zero"))
        _integer(resolution, "the ADC resolution")
        _integer(initial, "the initial value")
        _integer(block, "the block size")
        return SignalLine(file, form, offset, adu_per_mv, baseline, _integer(checksum, "the checksum") & 0xFFFF, lead)
    except DataError as error:
        raise DataError(f"signal {index}: {error}") from None


# The same few texts stand in all headers of a data set: parsing each once makes a header twice as fast.
_canonical = lru_cache(maxsize=256)(canonical_leads)


@lru_cache(maxsize=1024)
def _is_plain_name(file: str) -> bool:
    # ':' also ends drive letters, URLs and alternate streams; '~' and '-' are the standard's "no file" and "standard input".
    return len(file) <= 255 and file not in (".", "..", "~", "-") and not set(file) & set('/\\:*?"<>|')


@lru_cache(maxsize=256)
def _parse_format(text: str) -> tuple[int, int]:
    found = _FORMAT_RE.fullmatch(text)
    if not found:
        raise DataError(f"the storage format is {_short(text)}, expected a number such as 16 or 16+24; correct the header")
    form = int(found[1])
    if form not in FORMATS:
        known = " and ".join(map(str, FORMATS))
        raise DataError(f"WFDB format {form} is not read, only formats {known}; convert the record, e.g. with xform")
    if int(found[2] or 1) != 1:
        raise DataError(f"{found[2]} samples per frame (multi-frequency) are not read; convert the record, e.g. with xform")
    if int(found[3] or 0) != 0:
        raise DataError(f"a skew of {found[3]} samples between signals is not read; convert the record, e.g. with xform")
    return form, int(found[4] or 0)


@lru_cache(maxsize=4096)
def _parse_gain(text: str, adc_zero: int) -> tuple[float, int]:
    found = _GAIN_RE.fullmatch(text)
    if not found:
        raise DataError(f"the gain is {_short(text)}, expected ADC units per unit such as 1000/mV or 200(1024)/mV; correct it")
    # The standard: a gain of 0 means "uncalibrated, assume 200"; no baseline means the ADC zero; no unit means mV.
    gain = float(found[1]) or 200.0
    baseline = int(found[2]) if found[2] else adc_zero
    units_per_mv = _UNITS_PER_MV.get((found[3] or "mV").casefold())
    if units_per_mv is None:
        raise DataError(f"the unit is {_short(found[3])}, expected mV, uV or V; correct it or take the signal out of the header")
    if not 1e-9 <= abs(gain) <= 1e12:
        raise DataError(f"the gain is {_short(text)}, which no ECG amplifier has; correct it")
    if not -(2**31) <= baseline < 2**31:
        raise DataError(f"the baseline {baseline} does not fit 32 bits; correct it")
    return gain * units_per_mv, baseline


@lru_cache(maxsize=65536)
def _integer(text: str, what: str) -> int:
    if not _INTEGER_RE.fullmatch(text):
        raise DataError(f"{what} is {_short(text)}, expected an integer; correct the header")
    return int(text)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")
