"""Toy ECGs for checks: a beat of Gaussians per lead, enough to have structure, small enough to be instant."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.data.batch import Batch
from ecg_core.data.leads import STANDARD_12

__all__ = ["toy_batch", "toy_signal"]

_WAVES = ((-0.16, 0.025, 0.12), (-0.025, 0.010, -0.12), (0.0, 0.012, 1.0), (0.03, 0.012, -0.25), (0.25, 0.05, 0.3))


def toy_signal(records: int = 4, leads: int = 12, samples: int = 500, *, fs: float = 100.0, seed: int = 0) -> np.ndarray:
    """``(records, leads, samples)`` float32 in mV: regular beats, another rate and axis per record, a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / fs
    out = np.empty((records, leads, samples), dtype=np.float32)
    for record in range(records):
        period, offset = rng.uniform(0.6, 1.1), rng.uniform(0, 0.6)
        phase = np.mod(time - offset + 0.4, period) - 0.4
        beat = np.stack([height * np.exp(-0.5 * ((phase - centre) / width) ** 2) for centre, width, height in _WAVES])
        heights = rng.uniform(-0.5, 1.5, (leads, len(_WAVES)))  # of each wave in each lead
        out[record] = heights @ beat
    return out + rng.normal(0, 0.01, out.shape).astype(np.float32)


def toy_batch(
    records: int = 4,
    leads: int = 12,
    samples: int = 500,
    *,
    fs: float = 100.0,
    seed: int = 0,
    classes: int = 0,
    per_step: bool = False,
    torch: bool = True,
) -> Batch:
    """A batch of toy ECGs with patients (two records each), segments and, with ``classes``, random targets.

    Targets are multi-label, or with ``per_step`` the class number of every sample, in runs of an eighth of the window.
    """
    rng = np.random.default_rng(seed + 1)
    names = STANDARD_12 if leads <= 12 else tuple(f"E{i}" for i in range(leads))
    targets: Any = rng.integers(0, 2, (records, classes)).astype(np.float32) if classes else None
    runs = rng.integers(0, classes, (records, 8)) if classes and per_step else None
    step_targets = None if runs is None else runs[:, np.arange(samples) * 8 // samples]
    batch = Batch(
        toy_signal(records, leads, samples, fs=fs, seed=seed),
        fs=fs,
        leads=names[:leads],
        record_ids=tuple(f"toy{i}" for i in range(records)),
        record_keys=np.arange(records, dtype=np.int64) + 1000 * seed,
        targets=None if per_step else targets,
        step_targets=step_targets,
        patient=np.arange(records, dtype=np.int64) // 2,
        segment=np.arange(records, dtype=np.int64) % 2,
        seed=seed,
    )
    return batch.to("cpu") if torch else batch
