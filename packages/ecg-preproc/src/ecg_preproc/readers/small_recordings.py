"""Three small recordings that formats with room for a patient write and read back, for the contract kit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ecg_core.data.record import Record

__all__ = ["three_recordings"]

_FACTS = (("p1", 63.0, "F"), ("p2", None, "M"), (None, None, None))  # patient, age, sex


def three_recordings(letter: str, fs: float, write: Callable[[Record, Path, int], None]) -> Callable[[Path], list[Record]]:
    """What fills a folder with three recordings of three leads, 500 samples each, and says what it wrote.

    Args:
        letter: With which their names begin.
        fs: Hz.
        write: Given a record, the path of its file without suffix, and its number.
    """

    def fill(folder: Path) -> list[Record]:
        written = []
        for number, (patient, age, sex) in enumerate(_FACTS):
            x = np.random.default_rng(number).normal(0, 0.5, (3, 500)).clip(-4, 4).astype(np.float32)
            record = Record(x, fs, ("I", "II", "V2"), f"{letter}{number}", patient, age, sex)  # type: ignore[arg-type]
            write(record, folder / record.record_id, number)
            written.append(record)
        return written

    return fill
