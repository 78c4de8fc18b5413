"""From one recording to the windows of a store: leads by name, flaws refused, the pipeline, equal lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecg_core.contracts.compose import Compose
from ecg_core.data.record import Record
from ecg_core.errors import DataError

__all__ = ["default_pipeline", "prepared_windows"]


def default_pipeline(fs: float) -> list[dict[str, Any]]:
    """What is done to every recording unless told otherwise: 0.5 to 40 Hz, then the wanted sampling frequency."""
    return [{"name": "bandpass", "low": 0.5, "high": 40.0}, {"name": "resample", "fs": fs}]


def prepared_windows(record: Record, *, pipeline: Compose, leads: Sequence[str], fs: float, length: int) -> list[Record]:
    """The windows of one recording as a store would hold them (before the rounding to int16).

    Raises:
        DataError: The recording lacks a lead, is too short, or has NaN or flat leads.
    """
    record = record.select_leads(leads)
    flaws = record.flaws()
    if flaws:
        raise DataError(f"record {record.record_id!r} has {' and '.join(flaws)}; mend or leave out these leads")
    # The check is made before the filters, which need a few samples to stand on.
    if round(record.seconds * fs) < length:
        raise DataError(
            f"record {record.record_id!r} lasts {record.seconds:g} s, a window {length / fs:g} s; "
            f"use shorter windows (--seconds {max(1, int(record.seconds))}) or leave it out"
        )
    record = pipeline(record, generator=0)  # a store is a pure function of its recordings, whatever is in the pipeline
    if record.fs != fs:
        raise DataError(f"the pipeline gives {record.fs:g} Hz, the store wants {fs:g} Hz; end it with resample(fs={fs:g})")
    if record.n_samples < length:
        raise DataError(
            f"the pipeline leaves {record.n_samples} samples of record {record.record_id!r}, a window has {length}; "
            "do not shorten recordings in the pipeline"
        )
    if not np.isfinite(record.signal).all():
        raise DataError(
            f"the pipeline made NaN or infinite samples of record {record.record_id!r}; its amplitudes are out of range"
        )
    count = record.n_samples // length
    return [record.crop(i * length, (i + 1) * length) for i in range(count)]
