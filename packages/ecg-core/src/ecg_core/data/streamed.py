"""Windows of a recording that is longer than memory: read, filtered and cut block by block, with the numbers of the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ecg_core.contracts.compose import Compose
from ecg_core.contracts.streaming import Stream, moved_positions, stream
from ecg_core.data.leads import canonical_leads
from ecg_core.data.record import Record
from ecg_core.data.windows import check_output, check_seconds
from ecg_core.errors import DataError

if TYPE_CHECKING:
    from ecg_core.data.reader import Reader

__all__ = ["Streamed", "is_long", "opening", "streamed_windows"]

_LONG = 1 << 22  # samples of all leads together: eleven minutes of twelve leads at 500 Hz
_OPENING = 600.0  # seconds


def is_long(row: Mapping[str, Any]) -> bool:
    """Whether a scanned row announces more than is read at once."""
    samples, leads = row.get("n_samples"), row.get("leads")
    return isinstance(samples, int) and isinstance(leads, tuple) and samples * len(leads) > _LONG


def opening(reader: Reader, row: Mapping[str, Any], leads: Sequence[str]) -> Record:
    """The first ten minutes, by which a long recording is judged."""
    return reader.read_part(row, 0, min(int(row["n_samples"]), round(_OPENING * float(row["fs"])))).select_leads(leads)


class Streamed(NamedTuple):
    """What is made of a long recording.

    Args:
        windows: ``(leads, length)`` each, in order.
        annotations: Positions by name on the time axis of the windows; known when the last of them has been made.
    """

    windows: Iterator[np.ndarray]
    annotations: Callable[[], dict[str, np.ndarray]]


def streamed_windows(
    reader: Reader, row: Mapping[str, Any], *, pipeline: Compose, leads: Sequence[str], fs: float, length: int
) -> Streamed:
    """The windows of one recording and its annotations, in the memory of a few blocks.

    Args:
        reader: Reads parts of it.
        row: Its row of the scanned table.
        pipeline: What is done to it.
        leads: Of the windows.
        fs: Of the windows, Hz.
        length: Samples of a window.

    Raises:
        ConfigError: A step of the pipeline cannot be done block by block.
        DataError: As :func:`ecg_core.data.windows.prepared_windows`; a flat lead is known, and said, only after the last window.
    """
    name, rate, n_samples = str(row["record_id"]), float(row["fs"]), int(row["n_samples"])
    leads = canonical_leads(leads)
    check_seconds(name, n_samples / rate, length=length, fs=fs)
    lowest, highest = np.full(len(leads), np.inf), np.full(len(leads), -np.inf)
    marks: dict[str, set[int]] = {}

    def read(start: int, stop: int) -> np.ndarray:
        part = reader.read_part(row, start, stop).select_leads(leads)
        if not np.isfinite(part.signal).all():
            raise DataError(f"record {name!r} has {' and '.join(part.flaws())}; mend or leave out these leads")
        np.minimum(lowest, part.signal.min(axis=1), out=lowest)
        np.maximum(highest, part.signal.max(axis=1), out=highest)
        for mark, positions in part.annotations.items():  # blocks overlap
            marks.setdefault(mark, set()).update((np.asarray(positions) + start).tolist())
        return part.signal

    filtered = stream(pipeline, read, fs=rate, n_samples=n_samples, leads=leads)
    check_output(name, filtered.fs, filtered.n_samples, length=length, fs=fs)
    end = filtered.n_samples // length * length

    def annotations() -> dict[str, np.ndarray]:
        found = {mark: np.array(sorted(positions), dtype=np.int64) for mark, positions in marks.items()}
        moved = {mark: moved_positions(pipeline, p, fs=rate, n_samples=n_samples) for mark, p in found.items()}
        return {mark: p[(p >= 0) & (p < end)] for mark, p in moved.items()}

    return Streamed(_cut(filtered, name, leads, length, lowest, highest), annotations)


def _cut(
    filtered: Stream, name: str, leads: Sequence[str], length: int, lowest: np.ndarray, highest: np.ndarray
) -> Iterator[np.ndarray]:
    per_block = max(1, filtered.block // length)  # whole windows, so that each block is filtered once
    count = filtered.n_samples // length
    for first in range(0, count, per_block):
        last = min(first + per_block, count)
        block = filtered.read(first * length, last * length)
        if not np.isfinite(block).all():
            raise DataError(f"the pipeline made NaN or infinite samples of record {name!r}; its amplitudes are out of range")
        yield from np.split(block, last - first, axis=-1)
    flat = [lead for lead, low, high in zip(leads, lowest, highest, strict=True) if low == high]
    if flat:
        raise DataError(f"record {name!r} has flat {', '.join(flat)}; mend or leave out these leads")
