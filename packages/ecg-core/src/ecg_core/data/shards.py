"""Shards: rows of a table read, cut into windows and written, one file for so many recordings.

A shard is the unit of work and of resuming. Its sidecar, a JSON file written after it, holds a row per window, the facts of each
recording and what was refused; a shard with a sidecar is complete. How many recordings make a shard depends on their number
alone, so a store has the same bytes whoever writes it, with however many workers.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pandas as pd

from ecg_core.contracts.compose import Compose
from ecg_core.data.encoding import Encoding
from ecg_core.data.engines import Engine, each_done
from ecg_core.data.files import write_atomic, write_json
from ecg_core.data.quality import quality_flags
from ecg_core.data.r_peaks import heart_rate
from ecg_core.data.record import Record
from ecg_core.data.streamed import is_long, opening, streamed_windows
from ecg_core.data.table import rows_of
from ecg_core.data.windows import joined_annotations, prepared_windows
from ecg_core.errors import ConfigError, ECGError

if TYPE_CHECKING:
    from hashlib import _Hash as Digest

    from ecg_core.data.reader import Reader

__all__ = ["Annotations", "ShardWriter", "WindowMaker", "write_shards"]

# Positions by name on the time axis of the windows; known when the last of them has been made.
Annotations = Callable[[], Mapping[str, np.ndarray]]

# Recordings in a shard at least: to write one durably takes as long as preparing five. Shards of a large store.
_FEWEST, _SHARDS = 64, 256


@dataclass(frozen=True)
class WindowMaker:
    """From a row to a recording and its windows.

    Args:
        reader: Reads the row.
        pipeline: What is done to the recording.
        leads: Of the store, in order.
        fs: Of the store, Hz.
        length: Samples of a window.
        facts: Find quality flags and the heart rate.
    """

    reader: Reader
    pipeline: Compose
    leads: tuple[str, ...]
    fs: float
    length: int
    facts: bool = True

    def __call__(self, row: Mapping[str, Any]) -> tuple[Iterator[np.ndarray], Annotations, dict[str, Any]]:
        """The signals of the windows, ``(leads, samples)`` each, the annotations, and what was found out about the recording."""
        settings: dict[str, Any] = {"pipeline": self.pipeline, "leads": self.leads, "fs": self.fs, "length": self.length}
        if is_long(row):
            # A pipeline that cannot be streamed is done on the whole, at the cost of memory.
            with suppress(ConfigError):
                streamed = streamed_windows(self.reader, row, **settings)
                return streamed.windows, streamed.annotations, self._facts(opening(self.reader, row, self.leads))
        record = self.reader.read(row).select_leads(self.leads)
        made = prepared_windows(record, **settings)
        return (window.signal for window in made), lambda: joined_annotations(made), self._facts(record)

    def _facts(self, record: Record) -> dict[str, Any]:
        return {"quality": list(quality_flags(record)), "heart_rate": heart_rate(record)} if self.facts else {}


@dataclass(frozen=True)
class ShardWriter:
    """Writes one shard; what a worker process is given.

    Args:
        folder: Where shards and sidecars go.
        make: Turns a row into windows.
        encoding: How they are stored.
    """

    folder: Path
    make: WindowMaker
    encoding: Encoding

    def sidecar(self, number: int) -> Path:
        """The JSON file that says a shard is complete."""
        return self.folder / f"{number:05d}.json"

    def __call__(self, task: tuple[int, pd.DataFrame]) -> int:
        """Write the shard of these rows, then its sidecar; the number of rows."""
        number, frame = task
        sidecar = self.sidecar(number)
        path = sidecar.with_suffix(self.encoding.suffix)
        found: dict[str, list[dict[str, Any]]] = {"windows": [], "records": [], "rejects": []}
        digest = hashlib.sha256()

        def write(temporary: Path) -> None:
            nonlocal digest
            with temporary.open("wb") as file:
                for row in rows_of(frame):
                    digest = self._write_record(file, row, found, digest)

        write_atomic(path, write)
        write_json(sidecar, {"file": path.name, "sha256": digest.hexdigest(), **found}, compact=True)
        return len(frame)

    def _write_record(
        self, file: BinaryIO, row: Mapping[str, Any], found: dict[str, list[dict[str, Any]]], before: Digest
    ) -> Digest:
        """Write one recording; the digest of the file with it, from the one ``before`` it."""
        begin, windows, digest = file.tell(), [], before.copy()
        try:
            signals, annotations, facts = self.make(row)
            for segment, signal in enumerate(signals):
                content, scale = self.encoding.encode(signal)
                place = {"offset": file.tell(), "bytes": len(content)} if self.encoding.compression != "none" else {}
                file.write(content)
                digest.update(content)
                crc = zlib.crc32(content)
                windows.append({"record_id": row["record_id"], "segment": segment, "scale": scale, "crc32": crc, **place})
        except (ECGError, OSError, ValueError) as error:
            # A recording is in the store whole or not at all.
            file.seek(begin)
            file.truncate()
            found["rejects"].append({"path": row["path"], "reason": str(error)})
            return before
        found["windows"] += windows
        positions = {name: places.tolist() for name, places in sorted(annotations().items()) if len(places)}
        found["records"].append({"record_id": row["record_id"], **facts, **({"annotations": positions} if positions else {})})
        return digest


def write_shards(
    frame: pd.DataFrame,
    writer: ShardWriter,
    *,
    engine: Engine = "serial",
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write every shard that is not there yet.

    Args:
        frame: All recordings, one row each.
        writer: Writes one shard.
        engine: Where; see :func:`ecg_core.data.engines.each_done`.
        jobs: Processes.
        scheduler: Address of a Dask cluster.
        progress: Called with (recordings done, recordings in all).
    """
    size = _recordings_per_shard(len(frame))
    parts = [(n, frame.iloc[i : i + size]) for n, i in enumerate(range(0, len(frame), size))]
    open_parts = [(number, part) for number, part in parts if not writer.sidecar(number).is_file()]
    done = len(frame) - sum(len(part) for _, part in open_parts)
    tell = progress or (lambda done, total: None)
    tell(done, len(frame))
    for count in each_done(writer, open_parts, engine=engine, jobs=jobs, scheduler=scheduler):
        done += count
        tell(done, len(frame))


def _recordings_per_shard(recordings: int) -> int:
    return max(_FEWEST, -(-recordings // _SHARDS))
