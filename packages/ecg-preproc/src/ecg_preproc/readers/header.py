"""One WFDB header, parsed strictly: what the standard allows is read, what it does not say is an error, never a guess.

Standard: header(5) of the WFDB Applications Guide (Moody), https://physionet.org/physiotools/wag/header-5.htm.
Differs from the standard: a sampling frequency and a name for every lead are required. Signals that are no voltage, such as
blood pressure, are described for the sake of the files they lie in; they are not among the leads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ecg_core.data.leads import canonical_leads
from ecg_core.errors import DataError
from ecg_preproc.readers.header_fields import (
    MAX_FS,
    Storage,
    integer,
    is_plain_name,
    natural,
    parse_fs,
    parse_gain,
    parse_storage,
    short,
)

__all__ = ["MAX_HEADER_BYTES", "MAX_SEGMENTS", "NO_SEGMENT", "Header", "SegmentLine", "SignalLine", "parse_header"]

# The longest header we met has 40 signals and 2 kB; a record of weeks in thousands of segments fits as well.
MAX_HEADER_BYTES = 1 << 20

# A header of a megabyte could name one small segment a hundred thousand times, each of which would be opened.
MAX_SEGMENTS = 10_000

# The name of a segment in which nothing was recorded.
NO_SEGMENT = "~"

# Lines end with LF or CRLF, and fields are separated by blanks and tabs; nothing else that is no print may stand in a header.
_CONTROL_RE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_FIELDS = "file, format, gain, ADC resolution, ADC zero, initial value, checksum, block size and lead name"
_EXAMPLE = "a WFDB record line such as 'r0001 12 500 5000'"


class SignalLine(NamedTuple):  # made twelve times per header, in a third of the time of a frozen dataclass
    """One signal as the header describes it.

    Args:
        file: Signal file, a plain name beside the header.
        storage: How its samples are stored.
        gain: ADC units per mV, or per ``other``.
        baseline: ADC value of 0 mV.
        checksum: Sum of all samples, modulo 65536.
        lead: Name as written.
        other: Unit of a signal that is no voltage, else ``""``.
    """

    file: str
    storage: Storage
    gain: float
    baseline: int
    checksum: int
    lead: str
    other: str = ""


@dataclass(frozen=True, slots=True)
class SegmentLine:
    """One segment as the header of a multi-segment record describes it.

    Args:
        name: Name of the record it is, beside the header; :data:`NO_SEGMENT` where nothing was recorded.
        frames: Length; 0 for a layout header.
    """

    name: str
    frames: int


@dataclass(frozen=True, slots=True)
class Header:
    """One record as its header describes it.

    Args:
        fs: Sampling frequency in Hz of the record that is read.
        n_samples: Samples per lead; ``None`` when the header leaves it out and the file decides.
        signals: One line per signal, also of those that are no voltage.
        leads: Names of the voltages among them, in canonical spelling.
        comments: Comment lines without ``#``.
        per_frame: Samples of a lead that one frame of the files gives to the record that is read. It is what all signals have
            in common, and 1 where they differ: then those that have more are averaged over each frame.
        segments: Of a multi-segment record, which has no signals of its own.
        n_signals: As announced.
        left_out: Names of the signals that are no voltage, which are not read.
    """

    fs: float
    n_samples: int | None
    signals: tuple[SignalLine, ...]
    leads: tuple[str, ...]
    comments: tuple[str, ...]
    per_frame: int = 1
    segments: tuple[SegmentLine, ...] = ()
    n_signals: int = 0
    left_out: tuple[str, ...] = ()

    @property
    def has_checksums(self) -> bool:
        """Whether checksums were computed. CinC 2017 writes 0 for every lead, which is a placeholder and not a sum."""
        return any(signal.checksum for signal in self.signals)


def parse_header(content: bytes, *, name: str = "", layout: bool = False) -> Header:
    """Parse one header file.

    Args:
        content: The bytes of the ``.hea`` file.
        name: How errors call it, usually its path; ``""`` where the caller adds it.
        layout: Expect the layout header of a multi-segment record: leads without files.

    Raises:
        DataError: The header is empty, binary, contradicts itself, or describes something that is not read here.
    """
    try:
        return _parse(_decode(content), layout)
    except DataError as error:
        raise DataError(f"{name}: {error}" if name else str(error)) from None


def _decode(content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # older headers write µV in one byte
    text = text.replace("\r\n", "\n")
    if _CONTROL_RE.search(text):
        raise DataError("the file is binary, expected the text of a WFDB header; is it really a header?")
    return text


def _parse(text: str, layout: bool) -> Header:
    lines, comments = [], []
    for line in text.split("\n"):
        line = line.strip()
        if line.startswith("#"):
            comments.append(line[1:].strip())
        elif line:
            lines.append(line)
    if not lines:
        raise DataError(f"the header is empty, expected {_EXAMPLE}; restore the file")
    if not text.isascii() and (odd := next((line for line in lines if _is_oddly_spaced(line)), None)):
        raise DataError(f"a field of {short(odd)} is set apart by a character that is neither blank nor tab; correct the header")
    n_segments, n_signals, fs, frames = _record_line(lines[0])
    if n_segments is not None:
        segments = _segment_lines(lines[1:], n_segments)
        return Header(fs, frames, (), (), tuple(comments), segments=segments, n_signals=n_signals)
    if len(lines) - 1 != n_signals:
        raise DataError(f"the header announces {n_signals} signal(s) and describes {len(lines) - 1}; it is damaged, restore it")
    signals = tuple(_signal_line(line, i, layout) for i, line in enumerate(lines[1:], start=1))
    if all(signal.other for signal in signals):
        units = ", ".join(dict.fromkeys(signal.other for signal in signals))
        raise DataError(f"no signal is a voltage (the units are {short(units)}), expected one in mV, uV or V; it holds no ECG")
    leads = _canonical(tuple(signal.lead for signal in signals if not signal.other))
    left_out = tuple(signal.lead for signal in signals if signal.other)
    per_frame = signals[0].storage.per_frame
    if per_frame == 1 or any(signal.storage.per_frame != per_frame for signal in signals):
        return Header(fs, frames, signals, leads, tuple(comments), n_signals=n_signals, left_out=left_out)
    if fs * per_frame > MAX_FS:
        raise DataError(f"{per_frame} samples in each of {fs:g} frames per second exceed {MAX_FS:g} Hz; correct the header")
    n_samples = None if frames is None else frames * per_frame
    return Header(fs * per_frame, n_samples, signals, leads, tuple(comments), per_frame, n_signals=n_signals, left_out=left_out)


def _is_oddly_spaced(line: str) -> bool:
    return any(character.isspace() and character not in " \t" for character in line)


def _record_line(line: str) -> tuple[int | None, int, float, int | None]:
    fields = line.split()
    _, slash, segments = fields[0].partition("/")
    if len(fields) < 2:
        raise DataError(f"the header begins with {short(line)}, expected {_EXAMPLE}")
    n_segments = integer(segments, "the number of segments") if slash else None
    if n_segments is not None and n_segments < 1:
        raise DataError(f"the header announces {n_segments} segments, expected at least 1; it describes no recording")
    if n_segments is not None and n_segments > MAX_SEGMENTS:
        raise DataError(
            f"the header announces {n_segments} segments, expected at most {MAX_SEGMENTS}; read the segments themselves"
        )
    n_signals = integer(fields[1], "the number of signals")
    if n_signals < 1:
        raise DataError(f"the header announces {n_signals} signals, expected at least 1; it describes no recording")
    if len(fields) < 3:
        raise DataError("the sampling frequency is missing; add it to the first line, e.g. 'r0001 12 500 5000'")
    fs = parse_fs(fields[2])
    frames = integer(fields[3], "the number of samples") if len(fields) > 3 else 0
    if frames < 0:
        raise DataError(f"the number of samples is {frames}, expected a positive number; correct the first line")
    return n_segments, n_signals, fs, frames or None  # the standard: 0 or absent means "not stated"


def _segment_lines(lines: list[str], n_segments: int) -> tuple[SegmentLine, ...]:
    if len(lines) != n_segments:
        raise DataError(f"the header announces {n_segments} segment(s) and describes {len(lines)}; it is damaged, restore it")
    segments = []
    for index, line in enumerate(lines, start=1):
        fields = line.split()
        if len(fields) != 2:
            raise DataError(f"segment {index} is {short(line)}, expected a name and a number of samples; correct the header")
        name, frames = fields[0], integer(fields[1], f"the length of segment {index}")
        if name != NO_SEGMENT and not is_plain_name(name):
            raise DataError(f"segment {index}, {short(name)}, is not a plain name beside the header; refused for safety")
        if frames < (0 if index == 1 and name != NO_SEGMENT else 1):
            raise DataError(
                f"segment {index}, {short(name)}, has {frames} samples, expected a positive number "
                "(only a first one, the layout, has none); correct the header"
            )
        segments.append(SegmentLine(name, frames))
    if all(segment.name == NO_SEGMENT or not segment.frames for segment in segments):
        raise DataError("no segment holds samples, expected at least one that does; the header describes no recording")
    return tuple(segments)


def _signal_line(line: str, index: int, layout: bool) -> SignalLine:
    fields = line.split(None, 8)
    try:
        if len(fields) < 9:
            raise DataError(
                f"the line has {len(fields)} of 9 fields ({_FIELDS}); "
                f"{'add the lead name' if len(fields) == 8 else 'complete it in that order, none is guessed'}"
            )
        file, form, gain, resolution, zero, initial, checksum, block, lead = fields
        if not (is_plain_name(file) or (layout and file == NO_SEGMENT)):
            raise DataError(f"the signal file {short(file)} is not a plain file name beside the header; refused for safety")
        storage, adu_per_unit, baseline, other = _recorder(form, gain, resolution, zero, block, layout)
        integer(initial, "the initial value")
        return SignalLine(file, storage, adu_per_unit, baseline, integer(checksum, "the checksum") & 0xFFFF, lead, other)
    except DataError as error:
        raise DataError(f"signal {index}: {error}") from None


# What one recorder writes into all its headers is parsed and checked once.
@lru_cache(maxsize=4096)
def _recorder(form: str, gain: str, resolution: str, zero: str, block: str, layout: bool) -> tuple[Storage, float, int, str]:
    storage = parse_storage(form, layout)
    adu_per_mv, baseline, other = parse_gain(gain, integer(zero, "the ADC zero"))
    natural(resolution, "the ADC resolution")
    natural(block, "the block size")
    return storage, adu_per_mv, baseline, other


_canonical = lru_cache(maxsize=256)(canonical_leads)
