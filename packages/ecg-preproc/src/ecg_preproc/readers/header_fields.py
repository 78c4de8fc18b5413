"""The fields of a WFDB header line by line: numbers, storage format, gain, and names that lead nowhere else."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ecg_core.errors import DataError
from ecg_preproc.readers.formats import FORMATS, NULL_FORMAT

__all__ = [
    "MAX_FS",
    "MIN_FS",
    "Storage",
    "integer",
    "is_plain_name",
    "natural",
    "parse_fs",
    "parse_gain",
    "parse_storage",
    "short",
]

# Outside this range a number is a typing error, not the sampling frequency of an ECG (Holter 128 Hz, late potentials 10 kHz).
MIN_FS, MAX_FS = 1.0, 100_000.0

# How many of a unit make 1 mV; spelling is compared without case, because CinC 2021 writes both mV and mv.
# The micro sign and the Greek letter mu look alike and are two characters.
_UNITS_PER_MV = {"mv": 1.0, "v": 0.001, "uv": 1000.0, "\u00b5v": 1000.0, "\u03bcv": 1000.0}

# What stands beside an ECG in records of polysomnography and intensive care. A unit that is neither here nor above may be a
# misspelt voltage, and is refused.
_OTHER_UNITS = frozenset(
    ("mmhg", "cmh2o", "kpa", "nu", "pm", "l", "ml", "l/min", "ml/min", "ohm", "%", "bpm", "degc", "deg_c", "celsius", "deg")
)

_UNSIGNED = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBER = r"[+-]?" + _UNSIGNED
_INTEGER_RE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_FS_RE = re.compile(rf"({_UNSIGNED})(?:/{_NUMBER}(?:\({_NUMBER}\))?)?", re.ASCII)
_FORMAT_RE = re.compile(r"(\d{1,9})(?:x(\d{1,18}))?(?::(\d{1,18}))?(?:\+(\d{1,18}))?", re.ASCII)
_GAIN_RE = re.compile(rf"({_NUMBER})(?:\(([+-]?\d{{1,18}})\))?(?:/(\S+))?", re.ASCII)


class Storage(NamedTuple):
    """How the samples of one signal are stored.

    Args:
        format: WFDB storage format.
        per_frame: Samples per frame.
        skew: Frames that this signal comes late in the file.
        offset: Bytes before the first sample of the file.
    """

    format: int
    per_frame: int
    skew: int
    offset: int


# The same few texts stand in all headers of a data set: parsing each once makes a header twice as fast.
@lru_cache(maxsize=65536)
def integer(text: str, what: str) -> int:
    """The integer that ``text`` is; ``what`` it should be is named in the error."""
    if not _INTEGER_RE.fullmatch(text):
        raise DataError(f"{what} is {short(text)}, expected an integer; correct the header")
    return int(text)


@lru_cache(maxsize=1024)
def natural(text: str, what: str) -> int:
    """The integer that ``text`` is, 0 or more."""
    if (value := integer(text, what)) < 0:
        raise DataError(f"{what} is {value}, expected 0 or more; correct the header")
    return value


@lru_cache(maxsize=256)
def parse_fs(text: str) -> float:
    """The sampling frequency, Hz; a counter frequency and base value behind it say nothing about the signal."""
    found = _FS_RE.fullmatch(text)
    fs = float(found[1]) if found else float("nan")
    if not MIN_FS <= fs <= MAX_FS:
        raise DataError(f"the sampling frequency is {short(text)}, expected {MIN_FS:g} to {MAX_FS:g} Hz; correct the first line")
    return fs


@lru_cache(maxsize=1024)
def is_plain_name(name: str) -> bool:
    """Whether this names a file beside the header and nothing else, on any system."""
    # ':' also ends drive letters, URLs and alternate streams; '~' and '-' are the standard's "no file" and "standard input".
    return len(name) <= 255 and name not in (".", "..", "~", "-") and not set(name) & set('/\\:*?"<>|')


@lru_cache(maxsize=256)
def parse_storage(text: str, layout: bool) -> Storage:
    """Format, samples per frame, skew and offset from a text such as ``212x2:3+24``; ``layout`` asks for format 0."""
    found = _FORMAT_RE.fullmatch(text)
    if not found:
        raise DataError(f"the storage format is {short(text)}, expected a number such as 16 or 16+24; correct the header")
    storage = Storage(int(found[1]), int(found[2] or 1), int(found[3] or 0), int(found[4] or 0))
    if layout and storage.format != NULL_FORMAT:
        raise DataError(f"the storage format is {short(text)}, expected 0 in a layout header, which has no samples; correct it")
    if not layout and storage.format == NULL_FORMAT:
        raise DataError("the storage format is 0, which means that no samples are stored; only a layout header may say so")
    if not layout and storage.format not in FORMATS:
        known = ", ".join(map(str, FORMATS))
        raise DataError(f"WFDB format {storage.format} is not known, expected one of {known}; correct the header")
    if storage.per_frame < 1:
        raise DataError(f"the samples per frame are {storage.per_frame}, expected at least 1; correct the header")
    return storage


@lru_cache(maxsize=4096)
def parse_gain(text: str, adc_zero: int) -> tuple[float, int, str]:
    """ADC units per mV, the ADC value of 0 mV, and ``""``, from a text such as ``200(1024)/mV``.

    Of a signal that is no voltage, such as ``20/mmHg``, they are per its own unit, which comes third.
    """
    found = _GAIN_RE.fullmatch(text)
    if not found:
        raise DataError(f"the gain is {short(text)}, expected ADC units per unit such as 1000/mV or 200(1024)/mV; correct it")
    # The standard: a gain of 0 means "uncalibrated, assume 200"; no baseline means the ADC zero; no unit means mV.
    gain = float(found[1]) or 200.0
    baseline = int(found[2]) if found[2] else adc_zero
    unit = (found[3] or "mV").casefold()
    other = found[3] if unit in _OTHER_UNITS else ""
    units_per_mv = 1.0 if other else _UNITS_PER_MV.get(unit)
    if units_per_mv is None:
        raise DataError(f"the unit is {short(found[3])}, expected mV, uV or V; correct it or take the signal out of the header")
    if not 1e-9 <= abs(gain) <= 1e12:
        raise DataError(f"the gain is {short(text)}, which no ECG amplifier has; correct it")
    if not -(2**31) <= baseline < 2**31:
        raise DataError(f"the baseline {baseline} does not fit 32 bits; correct it")
    return gain * units_per_mv, baseline, other


def short(text: str) -> str:
    """The text as it may stand in an error: quoted, on one line, not too long."""
    return repr(text if len(text) <= 60 else text[:57] + "…")
