"""What the physiology tests share: 200 recordings without noise, and a ruler that knows nothing of how they were made."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np
import pytest

from ecg_core.data.record import Record
from ecg_preproc.synthesis.patient import Patient, patient_of_each_record
from ecg_preproc.synthesis.tracing import trace


@dataclass(frozen=True)
class Recording:
    """One recording without noise, its patient, and the R peaks that are far enough from its ends."""

    record: Record
    patient: Patient

    @property
    def codes(self) -> tuple[str, ...]:
        return self.record.labels["dx"]

    def lead(self, name: str) -> np.ndarray:
        return self.record.signal[self.record.leads.index(name)]

    def qrs(self) -> list[tuple[int, int]]:
        """First and last sample of each QRS: where the leads together move faster than 9 % of their fastest."""
        fs = self.record.fs
        speed = np.linalg.norm(np.diff(self.record.signal.astype(float), axis=1), axis=0)
        found = []
        for peak in self.record.annotations["r_peaks"]:
            start, stop = peak - round(0.13 * fs), peak + round(0.16 * fs)
            if start < 0 or stop > len(speed):
                continue
            near = speed[start:stop]
            fast = np.flatnonzero(near > 0.09 * near.max())
            # The part that holds the R peak; a standstill of 24 ms ends it.
            parts = np.split(fast, np.flatnonzero(np.diff(fast) > 0.024 * fs) + 1)
            part = min(parts, key=lambda p: np.abs(p - (peak - start)).min())
            found.append((int(start + part[0]), int(start + part[-1])))
        return found


@pytest.fixture(scope="session")
def recordings() -> list[Recording]:
    """Recordings 0 to 199 of seed 1."""
    patients = islice(patient_of_each_record(1), 200)
    return [Recording(trace(p, seed=1, index=i, seconds=10, fs=500, noise=False), p) for i, p in enumerate(patients)]
