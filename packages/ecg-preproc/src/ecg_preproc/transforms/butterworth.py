"""Gain of a Butterworth filter run forwards and backwards, and how far it looks (Butterworth 1930; Gustafsson 1996).

The gain is the digital filter's (bilinear transform), so the interior of a signal agrees with ``scipy.signal.sosfiltfilt``; it
is computed in the frequency domain, so nothing is ever unstable.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

__all__ = ["check_edges", "high_pass_gain", "low_pass_gain", "reach"]

_FORGOTTEN = math.log(1e6)


def low_pass_gain(frequencies: np.ndarray, edge: float, order: int, fs: float) -> np.ndarray:
    """Gain at each frequency (Hz); one half at the edge."""
    with np.errstate(over="ignore"):  # far above the edge the gain is zero
        return 1 / (1 + np.abs(np.tan(np.pi * frequencies / fs) / math.tan(math.pi * edge / fs)) ** (2 * order))


def high_pass_gain(frequencies: np.ndarray, edge: float, order: int, fs: float) -> np.ndarray:
    """Gain at each frequency (Hz); one half at the edge."""
    return 1 - low_pass_gain(frequencies, edge, order, fs)


def reach(edge: float, order: int, fs: float) -> float:
    """Seconds after which the filter has forgotten: its slowest pole has decayed to 1e-6."""
    if not 0 < edge < fs / 2:  # there is no such filter, as its gain will say
        return 0.0
    angle = np.pi * (2 * np.arange(order) + order + 1) / (2 * order)
    analogue = math.tan(math.pi * edge / fs) * np.exp(1j * angle)
    slowest = float(np.abs((1 + analogue) / (1 - analogue)).max())
    return _FORGOTTEN / (-math.log(slowest) * fs)


def check_edges(low: float | None, high: float | None, fs: float) -> None:
    """Require ``0 < low < high < fs / 2``, of the edges that there are."""
    edges = [edge for edge in (0.0, low, high, fs / 2) if edge is not None]
    if not all(a < b for a, b in pairwise(edges)):
        raise ValueError(f"frequency must satisfy 0 < low < high < fs / 2 = {fs / 2:g} Hz, got ({low}, {high})")
