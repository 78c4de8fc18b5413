"""Multi-segment records: one recording in consecutive pieces, each a WFDB record of its own.

Standard: header(5) of the WFDB Applications Guide, "Multi-segment records". In a *fixed* layout all segments have the same
signals. In a *variable* layout the first "segment" has no samples and names all signals there are, and each further one holds
some of them; what a segment does not hold is NaN, as is a segment called ``~``, in which nothing was recorded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ecg_core.errors import DataError
from ecg_preproc.readers.files import read_bytes
from ecg_preproc.readers.header import MAX_HEADER_BYTES, NO_SEGMENT, Header, SegmentLine, parse_header
from ecg_preproc.readers.signal import read_signal
from ecg_preproc.readers.signal_files import check_bounds, check_sizes

__all__ = ["Recording", "open_recording", "read_recording"]

# A recording may pause for longer than it lasts, but a few bytes must not be made to fill the memory.
_MAX_GAPS, _ALWAYS_ALLOWED = 100, 1 << 20


@dataclass(frozen=True, slots=True)
class _Part:
    """One segment in its place: samples ``start`` up to ``stop`` of the recording."""

    header: Header
    record: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording, of one segment or many.

    Args:
        header: Its ``fs``, ``leads`` and comments are those of the recording; ``segments`` are as the file says.
        n_samples: Samples per lead.
        parts: Where samples are.
    """

    header: Header
    n_samples: int
    parts: tuple[_Part, ...]


def open_recording(header: Header, record: str | Path, root: str | Path) -> Recording:
    """Find everything that belongs to a recording, and compare the sizes of its files with its headers.

    Args:
        header: Its own header.
        record: Path of the record, without suffix.
        root: Folder that no link may leave.

    Raises:
        DataError: A file is missing, not regular, cut or longer than stated, or headers contradict each other.
    """
    if not header.segments:
        n_samples = check_sizes(header, os.path.dirname(record), root)
        return Recording(header, n_samples, (_Part(header, os.fspath(record), 0, n_samples),))
    layout = None
    segments = header.segments
    if not segments[0].frames:
        layout, segments = _segment_header(segments[0], record, root, layout=True), segments[1:]
    parts: list[_Part] = []
    lines: list[SegmentLine] = []
    frames = 0
    for segment in segments:
        if segment.name != NO_SEGMENT:
            own = _segment_header(segment, record, root)
            _compare(segment, own, header, layout or (parts[0].header if parts else own), variable=layout is not None)
            path = os.path.join(os.path.dirname(record), segment.name)
            _compare_length(segment, check_sizes(own, os.path.dirname(record), root) // own.per_frame)
            parts.append(_Part(own, path, frames * own.per_frame, (frames + segment.frames) * own.per_frame))
            lines.append(segment)
        frames += segment.frames
    first = layout or parts[0].header
    k, leads = parts[0].header.per_frame, first.leads
    if first.n_signals != header.n_signals:
        raise DataError(f"the header announces {header.n_signals} signal(s), its segments hold {first.n_signals}; correct it")
    if header.n_samples is not None and header.n_samples != frames:
        raise DataError(f"the header announces {header.n_samples} samples, its segments hold {frames}; correct it")
    recorded = sum(segment.frames for segment in lines)
    if frames > max(_ALWAYS_ALLOWED, _MAX_GAPS * recorded):
        raise DataError(f"of {frames} samples only {recorded} were recorded, the others are gaps; read the segments themselves")
    whole = replace(header, fs=header.fs * k, n_samples=frames * k, leads=leads, per_frame=k, left_out=first.left_out)
    return Recording(whole, frames * k, tuple(parts))


def read_recording(
    recording: Recording, root: str | Path, *, span: tuple[int, int] | None = None, checksum: bool = True
) -> np.ndarray:
    """The signals of a recording of segments, ``(leads, samples)`` float32 in mV; NaN where nothing was recorded.

    Args:
        recording: As found by :func:`open_recording`.
        root: Folder that no link may leave.
        span: First sample, and the one after the last; ``None`` reads all. Only segments that lie in it are opened.
        checksum: Compare each segment that is read whole with its checksum.

    Raises:
        DataError: A segment is damaged, or the span leaves the recording.
    """
    start, stop = (0, recording.n_samples) if span is None else span
    check_bounds(start, stop, recording.n_samples)
    leads = recording.header.leads
    signal = np.full((len(leads), stop - start), np.nan, dtype=np.float32)
    for part in recording.parts:
        low, high = max(start, part.start), min(stop, part.stop)
        if low >= high:
            continue
        own = None if (low, high) == (part.start, part.stop) else (low - part.start, high - part.start)
        try:
            rows = read_signal(part.header, part.record, root, span=own, checksum=checksum)
        except DataError as error:
            raise DataError(f"segment {os.path.basename(part.record)!r}: {error}") from None
        places = [leads.index(lead) for lead in part.header.leads]
        signal[places, low - start : high - start] = rows
    return signal


def _segment_header(segment: SegmentLine, record: str | Path, root: str | Path, *, layout: bool = False) -> Header:
    if segment.name == os.path.basename(record):
        raise DataError(f"the record names itself ({segment.name!r}) as a segment; correct the header")
    file = os.path.join(os.path.dirname(record), segment.name + ".hea")
    try:
        own = parse_header(read_bytes(file, root, limit=MAX_HEADER_BYTES), layout=layout)
        if own.segments:
            raise DataError("it is a multi-segment record itself, expected one with signals; the standard allows one level")
    except DataError as error:
        raise DataError(f"segment {segment.name!r}: {error}") from None
    return own


def _compare(segment: SegmentLine, own: Header, header: Header, first: Header, *, variable: bool) -> None:
    """See that one segment fits the recording, and its leads those of the layout (or of the first segment)."""
    frame_rate = own.fs / own.per_frame
    if frame_rate != header.fs:
        raise DataError(
            f"segment {segment.name!r} is sampled at {frame_rate:g} Hz, the record at {header.fs:g} Hz; correct the headers"
        )
    if own.per_frame != first.per_frame:
        raise DataError(
            f"segment {segment.name!r} has {own.per_frame} samples per frame, others {first.per_frame}; read them one by one"
        )
    extra = [lead for lead in own.leads if lead not in first.leads]
    if extra or (not variable and own.leads != first.leads):
        raise DataError(
            f"segment {segment.name!r} holds {', '.join(own.leads)}, expected "
            f"{'no more than' if variable else 'exactly'} {', '.join(first.leads)}; correct the headers"
        )


def _compare_length(segment: SegmentLine, held: int) -> None:
    if held != segment.frames:
        raise DataError(
            f"segment {segment.name!r} holds {held} samples, the record's header announces {segment.frames}; correct one of them"
        )
