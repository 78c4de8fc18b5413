"""A recording that is longer than memory: read, filtered and cut block by block, with the numbers of the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ecg_core.contracts.compose import Compose
from ecg_core.contracts.streaming import moved_positions, stream
from ecg_core.data.leads import canonical_leads
from ecg_core.data.record import Record
from ecg_core.data.windows import check_output, check_seconds, checked_finite
from ecg_core.errors import DataError

if TYPE_CHECKING:
    from ecg_core.data.reader import Reader

__all__ = ["Streamed", "StreamedSignal", "is_long", "opening", "streamed_windows"]

_LONG = 1 << 22  # samples of all leads together: eleven minutes of twelve leads at 500 Hz
_OPENING = 600.0  # seconds


def is_long(row: Mapping[str, Any]) -> bool:
    """Whether a scanned row announces more than is read at once."""
    samples, leads = row.get("n_samples"), row.get("leads")
    return isinstance(samples, int) and isinstance(leads, tuple) and samples * len(leads) > _LONG


def opening(reader: Reader, row: Mapping[str, Any], leads: Sequence[str]) -> Record:
    """The first ten minutes, by which a long recording is judged."""
    return reader.read_part(row, 0, min(int(row["n_samples"]), round(_OPENING * float(row["fs"])))).select_leads(leads)


class StreamedSignal:
    """A long recording after its pipeline, any stretch of it, in the memory of a few blocks.

    Args:
        reader: Reads parts of it.
        row: Its row of the scanned table.
        pipeline: What is done to it.
        leads: Wanted leads.
        fs: Wanted of the pipeline, Hz.
        length: Samples that are needed at least.

    Raises:
        ConfigError: A step of the pipeline cannot be done block by block.
        DataError: The recording is too short, or the pipeline gives another sampling frequency.
    """

    def __init__(
        self, reader: Reader, row: Mapping[str, Any], *, pipeline: Compose, leads: Sequence[str], fs: float, length: int
    ) -> None:
        self.record_id = str(row["record_id"])
        self.leads = canonical_leads(leads)
        self._reader, self._row, self._pipeline = reader, row, pipeline
        self._fs, self._recorded = float(row["fs"]), int(row["n_samples"])
        check_seconds(self.record_id, self._recorded / self._fs, length=length, fs=fs)
        self._lowest, self._highest = np.full(len(self.leads), np.inf), np.full(len(self.leads), -np.inf)
        self._marks: dict[str, set[int]] = {}
        self._stream = stream(pipeline, self._read_recorded, fs=self._fs, n_samples=self._recorded, leads=self.leads)
        check_output(self.record_id, self._stream.fs, self._stream.n_samples, length=length, fs=fs)

    @property
    def n_samples(self) -> int:
        """Samples after the pipeline."""
        return self._stream.n_samples

    @property
    def block(self) -> int:
        """Samples that are best asked for at once."""
        return self._stream.block

    def read(self, start: int, stop: int) -> np.ndarray:
        """``(leads, stop - start)`` float32 mV.

        Raises:
            DataError: The recording has NaN or infinite samples, or the pipeline made some.
        """
        return checked_finite(self._stream.read(start, stop), self.record_id)

    def check_leads(self) -> None:
        """To be called after the last stretch, when a lead that never moved is known.

        Raises:
            DataError: There is one.
        """
        flat = [lead for lead, low, high in zip(self.leads, self._lowest, self._highest, strict=True) if low == high]
        if flat:
            raise DataError(f"record {self.record_id!r} has flat {', '.join(flat)}; mend or leave out these leads")

    def annotations(self) -> dict[str, np.ndarray]:
        """Positions by name in what has been read, on the time axis after the pipeline, sorted."""
        found = {}
        for name, places in self._marks.items():
            before = np.array(sorted(places), dtype=np.int64)
            after = moved_positions(self._pipeline, before, fs=self._fs, n_samples=self._recorded)
            found[name] = after[after >= 0]
        return found

    def _read_recorded(self, start: int, stop: int) -> np.ndarray:
        part = self._reader.read_part(self._row, start, stop).select_leads(self.leads)
        if not np.isfinite(part.signal).all():
            raise DataError(f"record {self.record_id!r} has {' and '.join(part.flaws())}; mend or leave out these leads")
        np.minimum(self._lowest, part.signal.min(axis=1), out=self._lowest)
        np.maximum(self._highest, part.signal.max(axis=1), out=self._highest)
        for name, positions in part.annotations.items():  # blocks overlap
            self._marks.setdefault(name, set()).update((np.asarray(positions) + start).tolist())
        return part.signal


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
    signal = StreamedSignal(reader, row, pipeline=pipeline, leads=leads, fs=fs, length=length)
    end = signal.n_samples // length * length

    def annotations() -> dict[str, np.ndarray]:
        return {name: positions[positions < end] for name, positions in signal.annotations().items()}

    return Streamed(_cut(signal, length), annotations)


def _cut(signal: StreamedSignal, length: int) -> Iterator[np.ndarray]:
    per_block = max(1, signal.block // length)  # whole windows, so that each block is filtered once
    count = signal.n_samples // length
    for first in range(0, count, per_block):
        last = min(first + per_block, count)
        yield from np.split(signal.read(first * length, last * length), last - first, axis=-1)
    signal.check_leads()
