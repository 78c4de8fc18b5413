"""Noise bank: one fixed supply of normal numbers, of which every lead of every window takes another stretch.

Drawing a normal number per sample costs more than any other augmentation of single samples. A stretch of the bank with a random
start and a random sign costs one copy.

What that changes, beside the exact draws: the bank has mean 0 and variance 1 exactly, so a stretch of n samples has a mean and a
variance that scatter as those of n independent numbers do. Two leads whose stretches overlap are correlated at the lag between
them: of 2^18 starts, two fall within 5000 samples of each other once in 26, and within one sample once in 90 000.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like
from ecg_core.contracts.draws import Draws
from ecg_preproc.augment.stretches import runs_at

__all__ = ["STARTS", "from_bank", "noise_bank"]

STARTS = 1 << 18


@lru_cache(maxsize=4)
def noise_bank(samples: int) -> np.ndarray:
    """``(STARTS + samples - 1,)`` float32 normal numbers with mean 0 and variance 1, the same on every machine."""
    bank = Draws.seeded(20_000).normal((STARTS + samples - 1,))[0].astype(np.float64)
    bank = (bank - bank.mean()) / bank.std()
    return bank.astype(np.float32)


def from_bank(start: Any, like: Any) -> Any:
    """``(windows, leads, samples)`` of noise, of the framework and on the device of ``like``.

    Args:
        start: ``(windows, leads)`` int64 from 0 to ``STARTS - 1``.
        like: ``(windows, leads, samples)``.
    """
    samples = int(like.shape[-1])
    return runs_at(asarray_like(noise_bank(samples), like, dtype=like.dtype), start, samples)
