"""PreparedSignal: one recording as a model expects it, whole in memory or, where it is long, block by block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecg_core.data.reader import Reader
from ecg_core.data.streamed import StreamedSignal, is_long
from ecg_core.data.windows import prepared_record
from ecg_core.errors import ConfigError, DataError
from ecg_core.run.card import SignalContract

__all__ = ["PreparedSignal"]


@dataclass(frozen=True)
class PreparedSignal:
    """A recording after the pipeline of a model.

    Args:
        record_id: Its name.
        n_samples: Samples after the pipeline.
        fs: Of these, Hz.
        recorded_fs: Of the recording as it was read, Hz.
        read: ``read(start, stop)`` gives ``(leads, stop - start)`` float32 mV.
        finish: To be called after the last stretch; refuses what is known only then.
    """

    record_id: str
    n_samples: int
    fs: float
    recorded_fs: float
    read: Callable[[int, int], np.ndarray]
    finish: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, reader: Reader, row: Mapping[str, Any], signal: SignalContract) -> PreparedSignal:
        """The recording of a scanned row.

        Raises:
            DataError: It lacks a lead, is too short, or has NaN or flat leads.
        """
        settings: dict[str, Any] = {
            "pipeline": signal.chain(),
            "leads": signal.leads,
            "fs": signal.fs,
            "length": signal.samples,
        }
        if is_long(row):
            with suppress(ConfigError):  # a pipeline that cannot be streamed is done on the whole, at the cost of memory
                long = StreamedSignal(reader, row, **settings)
                return cls(long.record_id, long.n_samples, signal.fs, float(row["fs"]), long.read, long.check_leads)
        recorded = reader.read(row)
        if not signal.pipeline and recorded.fs != signal.fs:
            raise DataError(
                f"record {recorded.record_id!r} has {recorded.fs:g} Hz, and the model takes {signal.fs:g} Hz as recorded; "
                f"for other recordings make a file by `ecg export RUN --with-pipeline --recorded-fs {recorded.fs:g}`"
            )
        record = prepared_record(recorded, **settings)
        return cls(record.record_id, record.n_samples, record.fs, recorded.fs, lambda start, stop: record.signal[:, start:stop])
