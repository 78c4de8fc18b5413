"""From one recording to the windows of a store: leads by name, flaws refused, the pipeline, equal lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecg_core.contracts.compose import Compose
from ecg_core.data.record import Record
from ecg_core.errors import DataError

__all__ = [
    "check_output",
    "check_seconds",
    "checked_finite",
    "default_pipeline",
    "joined_annotations",
    "prepared_record",
    "prepared_windows",
]


def default_pipeline(fs: float) -> list[dict[str, Any]]:
    """What is done to every recording unless told otherwise: 0.5 to 40 Hz, then the wanted sampling frequency."""
    return [{"name": "bandpass", "low": 0.5, "high": 40.0}, {"name": "resample", "fs": fs}]


def prepared_windows(record: Record, *, pipeline: Compose, leads: Sequence[str], fs: float, length: int) -> list[Record]:
    """The windows of one recording as a store would hold them (before the rounding to int16).

    Raises:
        DataError: The recording lacks a lead, is too short, or has NaN or flat leads.
    """
    record = prepared_record(record, pipeline=pipeline, leads=leads, fs=fs, length=length)
    if record.n_samples == length:
        return [record]
    return [record.crop(i * length, (i + 1) * length) for i in range(record.n_samples // length)]


def prepared_record(record: Record, *, pipeline: Compose, leads: Sequence[str], fs: float, length: int) -> Record:
    """The whole recording after the pipeline, at least ``length`` samples of it.

    Raises:
        DataError: The recording lacks a lead, is too short, or has NaN or flat leads.
    """
    record = record.select_leads(leads)
    flaws = record.flaws()
    if flaws:
        raise DataError(f"record {record.record_id!r} has {' and '.join(flaws)}; mend or leave out these leads")
    # The check is made before the filters, which need a few samples to stand on.
    check_seconds(record.record_id, record.seconds, length=length, fs=fs)
    record = pipeline(record, generator=0)  # a store is a pure function of its recordings, whatever is in the pipeline
    check_output(record.record_id, record.fs, record.n_samples, length=length, fs=fs)
    checked_finite(record.signal, record.record_id)
    return record


def checked_finite(signal: np.ndarray, name: str) -> np.ndarray:
    """What a pipeline made, if it is finite.

    Raises:
        DataError: It is not.
    """
    if not np.isfinite(signal).all():
        raise DataError(f"the pipeline made NaN or infinite samples of record {name!r}; its amplitudes are out of range")
    return signal


def joined_annotations(windows: Sequence[Record]) -> dict[str, np.ndarray]:
    """Annotations of consecutive windows as positions on their common time axis, sorted."""
    start, found = 0, dict[str, list[np.ndarray]]()
    for window in windows:
        for name, positions in window.annotations.items():
            found.setdefault(name, []).append(np.asarray(positions, dtype=np.int64) + start)
        start += window.n_samples
    return {name: np.sort(np.concatenate(parts)) for name, parts in found.items()}


def check_seconds(name: str, seconds: float, *, length: int, fs: float) -> None:
    """Refuse a recording shorter than a window.

    Raises:
        DataError: It is.
    """
    if round(seconds * fs) < length:
        raise DataError(
            f"record {name!r} lasts {seconds:g} s, a window {length / fs:g} s; "
            f"use shorter windows (--seconds {max(1, int(seconds))}) or leave it out"
        )


def check_output(name: str, fs_found: float, n_samples: int, *, length: int, fs: float) -> None:
    """Refuse what a pipeline made of a recording where it is no window of the store.

    Raises:
        DataError: It has another sampling frequency, or less than a window is left.
    """
    if fs_found != fs:
        raise DataError(f"the pipeline gives {fs_found:g} Hz, the store wants {fs:g} Hz; end it with resample(fs={fs:g})")
    if n_samples < length:
        raise DataError(
            f"the pipeline leaves {n_samples} samples of record {name!r}, a window has {length}; "
            "do not shorten recordings in the pipeline"
        )
