"""Sinusoids: sums of sine waves on a regular grid, for one sine per 64 samples.

By the addition theorem sin(a + b) = sin a cos b + cos a sin b, with a at the beginning of every run of 64 samples and b within
the run: a window of 5000 samples takes 143 sines and as many cosines per wave instead of 5000, and one multiplication each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.contracts.arrays import add_product, asarray_like, namespace

__all__ = ["sinusoids"]

_RUN = 64


def sinusoids(amplitude: Any, turn: Any, phase: Any, samples: int) -> Any:
    """``(windows, samples)``: the sum over waves of ``amplitude · sin(turn · i + phase)`` at sample i.

    Args:
        amplitude: ``(windows, waves)``.
        turn: ``(windows, waves)`` angle from one sample to the next, rad.
        phase: ``(windows, waves)`` angle at the first sample, rad.
        samples: Length.
    """
    xp = namespace(amplitude)
    runs = -(-samples // _RUN)
    begin = turn[:, :, None] * asarray_like(np.arange(runs) * _RUN, turn) + phase[:, :, None]
    within = turn[:, :, None] * asarray_like(np.arange(_RUN), turn)
    outer = [amplitude[:, :, None] * f(begin) for f in (xp.sin, xp.cos)]
    inner = [f(within) for f in (xp.cos, xp.sin)]
    total = xp.zeros((turn.shape[0], runs, _RUN), dtype=turn.dtype, device=turn.device)
    # Term by term instead of a matrix product, whose last digits depend on how many windows there are.
    for wave in range(int(turn.shape[1])):
        for half in (0, 1):
            add_product(total, outer[half][:, wave, :, None], inner[half][:, wave, None, :])
    return xp.reshape(total, (-1, runs * _RUN))[:, :samples]
