"""What the reader tests share: a small record to damage, and the folder of real recordings where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecg_core.data.record import Record
from ecg_preproc.readers.write import write_record


@pytest.fixture
def record() -> Record:
    """Three leads, 2 s at 100 Hz, every value a whole number of µV."""
    rng = np.random.default_rng(7)
    signal = (rng.integers(-1500, 1500, (3, 200)) / 1000).astype(np.float32)
    facts = {"patient_id": "p1", "age": 63.0, "sex": "F", "labels": {"dx": ("AFIB", "CLBBB")}}
    return Record(signal, 100, ("I", "II", "V1"), "a", **facts)


@pytest.fixture
def folder(tmp_path: Path, record: Record) -> Path:
    """A folder with that record, ``a.hea`` and ``a.dat``."""
    write_record(record, tmp_path)
    return tmp_path
