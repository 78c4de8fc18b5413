"""Shards: rows of a table read, cut into windows and written as int16, one file for so many recordings.

A shard is the unit of resuming. Its sidecar, a JSON file written after it, holds a row per window and what was refused;
a shard with a sidecar is complete.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecg_core.contracts.compose import Compose
from ecg_core.data.files import sha256, write_atomic, write_json
from ecg_core.data.windows import prepared_windows
from ecg_core.errors import ECGError

if TYPE_CHECKING:
    from ecg_core.data.reader import Reader

__all__ = ["WindowMaker", "write_shards"]

_SHARD = 256  # recordings per shard


@dataclass(frozen=True)
class WindowMaker:
    """What a worker process needs to turn a row into windows."""

    reader: Reader
    pipeline: Compose
    leads: tuple[str, ...]
    fs: float
    length: int

    def __call__(self, row: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[tuple[np.ndarray, float]], str]:
        try:
            record = self.reader.read(row)
            windows = prepared_windows(record, pipeline=self.pipeline, leads=self.leads, fs=self.fs, length=self.length)
        except (ECGError, OSError, ValueError) as error:
            return row, [], str(error)
        return row, [_to_int16(w.signal) for w in windows], ""


def _to_int16(signal: np.ndarray) -> tuple[np.ndarray, float]:
    scale = float(np.float32(np.abs(signal).max() / 32767.0)) or 1.0
    return np.rint(signal / np.float32(scale)).clip(-32767, 32767).astype("<i2"), scale


def write_shards(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    make: WindowMaker,
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write every shard that is not there yet.

    Args:
        folder: Where shards and sidecars go; exists.
        rows: All recordings, in order.
        make: Turns a row into windows.
        jobs: Processes.
        progress: Called with (recordings done, recordings in all).
    """
    done = 0
    for number in range(-(-len(rows) // _SHARD)):
        part = rows[number * _SHARD : (number + 1) * _SHARD]
        sidecar = folder / f"{number:05d}.json"
        if not sidecar.is_file():
            _write_shard(sidecar.with_suffix(".i16"), sidecar, _each(make, part, jobs, progress, done, len(rows)))
        done += len(part)
        if progress is not None:
            progress(done, len(rows))


def _each(
    work: WindowMaker,
    rows: Sequence[Mapping[str, Any]],
    jobs: int,
    progress: Callable[[int, int], None] | None,
    before: int,
    total: int,
) -> Iterator[tuple[Mapping[str, Any], list[tuple[np.ndarray, float]], str]]:
    if jobs == 1:
        results: Iterable[Any] = map(work, rows)
    else:
        from joblib import Parallel, delayed

        results = Parallel(n_jobs=jobs, return_as="generator")(delayed(work)(row) for row in rows)
    for number, result in enumerate(results):
        if progress is not None and number % 16 == 0:
            progress(before + number, total)
        yield result


def _write_shard(path: Path, sidecar: Path, results: Iterable[Any]) -> None:
    windows, rejects = [], []

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            for row, signals, reason in results:
                if reason:
                    rejects.append({"path": row["path"], "reason": reason})
                for segment, (signal, scale) in enumerate(signals):
                    file.write(signal.tobytes())
                    windows.append(
                        {"record_id": row["record_id"], "segment": segment, "scale": scale, "crc32": zlib.crc32(signal.tobytes())}
                    )

    write_atomic(path, write)
    write_json(sidecar, {"sha256": sha256(path), "windows": windows, "rejects": rejects})
