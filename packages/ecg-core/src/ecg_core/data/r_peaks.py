"""R peaks and heart rate: where the ventricles beat, from any number of leads at any sampling frequency.

Elgendi 2013, "Fast QRS detection with an optimized knowledge-based method", PLoS ONE 8(9):e73557: the energy between 8 and
20 Hz, a moving average as long as a QRS complex against one as long as a beat, and where the first exceeds the second by 8 %
of the mean energy stands a QRS complex. Differs from the paper: zero phase by FFT, all leads together (each in units of its
own typical energy), the mean energy over ten seconds instead of the recording (a burst of noise must not hide the other
beats), and of two peaks closer than the refractory period of the ventricles the stronger one stays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.data.record import Record
from ecg_core.errors import DataError

__all__ = ["detect_r_peaks", "heart_rate"]

_BAND = (8.0, 20.0)  # Hz; Elgendi 2013, table 2
_ORDER = 3
_QRS, _BEAT = 0.097, 0.611  # seconds
_EXCESS = 0.08
_REFRACTORY = 0.2  # seconds; no ventricle beats faster than 300 per minute
_LOCAL = 10.0  # seconds of the local mean energy
_COARSE = 100.0  # Hz, of the energy that a heart rate is counted from


def detect_r_peaks(x: Any, *, fs: float) -> np.ndarray:
    """Samples at which the R peaks stand, in order.

    Args:
        x: ``(leads, samples)`` or ``(samples,)``, any amplitude unit; leads with NaN count where they are finite.
        fs: Hz.

    Returns:
        ``(beats,)`` int64; the place of the largest deflection of each QRS complex between 8 and 20 Hz, over all leads.

    Raises:
        DataError: ``x`` is not one recording, or ``fs`` cannot hold the band of the QRS complex.

    Example:
        >>> spikes = np.zeros(1000)
        >>> spikes[100::200] = 1.0
        >>> detect_r_peaks(spikes, fs=250)
        array([100, 300, 500, 700, 900])
    """
    x = np.atleast_2d(np.asarray(x, dtype=np.float32))
    if x.ndim != 2:
        raise DataError(f"expected one recording (leads, samples), got shape {x.shape}; give one at a time")
    if not fs > 2.5 * _BAND[1]:
        raise DataError(f"R peaks are looked for up to {_BAND[1]:g} Hz, which needs fs of at least 50 Hz, got {fs!r}")
    return _peaks(_energy(x, fs), fs)


def heart_rate(record: Record) -> float | None:
    """Beats per minute from the median RR interval; ``None`` where fewer than two beats are found."""
    fs = record.fs
    if not fs > 2.5 * _BAND[1] or not record.n_samples:
        return None
    # Means of a few samples keep the band, which ends at 20 Hz, and every beat.
    step = max(1, int(fs / _COARSE))
    count = record.n_samples // step
    coarse = record.signal[:, : count * step].reshape(-1, count, step).mean(axis=2)
    energy = _energy(coarse, fs / step)
    peaks = _between(_peaks(energy, fs / step), energy)
    return None if len(peaks) < 2 else float(60 * fs / step / np.median(np.diff(peaks)))


def _peaks(energy: np.ndarray, fs: float) -> np.ndarray:
    if not energy.size:
        return np.zeros(0, dtype=np.int64)
    short, long = (_moving_mean(energy, max(1, round(seconds * fs))) for seconds in (_QRS, _BEAT))
    local = _moving_mean(energy, min(round(_LOCAL * fs), energy.size))
    blocks = _runs(short > long + _EXCESS * local)
    blocks = blocks[blocks[:, 1] - blocks[:, 0] >= round(_QRS * fs)]
    peaks = np.array([a + int(np.argmax(energy[a:b])) for a, b in blocks], dtype=np.int64)
    return _apart(peaks, energy, round(_REFRACTORY * fs))


def _energy(x: np.ndarray, fs: float) -> np.ndarray:
    """Squared signal of the QRS band, summed over the leads; empty where all is flat.

    A lead counts in units of its typical beat, and the more, the further its beats stand out of its mean energy.
    """
    finite = np.isfinite(x)
    x = np.where(finite, x, 0)
    n = x.shape[1]
    pad = min(n - 1, round(fs))
    padded = np.concatenate([x[:, pad:0:-1], x, x[:, -2 : -2 - pad : -1]], axis=1)
    spectrum = np.fft.rfft(padded)
    frequency = np.fft.rfftfreq(padded.shape[1], 1 / fs)
    with np.errstate(divide="ignore"):
        gain = 1 / (1 + (frequency / _BAND[1]) ** (2 * _ORDER)) / (1 + (_BAND[0] / frequency) ** (2 * _ORDER))
    band = np.fft.irfft(spectrum * gain.astype(np.float32), n=padded.shape[1])[:, pad : pad + n]
    squared = np.where(finite, band * band, 0)
    # The median over seconds of the strongest energy: one electrode that moves must not weigh more than the heart.
    seconds = max(1, int(n // fs))
    loudest = [np.max(part, axis=1) for part in np.array_split(squared, seconds, axis=1)]
    typical = np.median(np.stack(loudest), axis=0)
    used = typical > 0
    if not used.any():
        return np.zeros(0)
    crest = typical[used] / squared[used].mean(axis=1)
    return np.asarray((squared[used] * (crest**2 / typical[used])[:, None]).sum(axis=0))


def _moving_mean(x: np.ndarray, length: int) -> np.ndarray:
    """Centred mean; towards the ends over what is there."""
    total = np.concatenate([[0.0], np.cumsum(x, dtype=np.float64)])
    centre = np.arange(x.size)
    low = np.maximum(centre - length // 2, 0)
    high = np.minimum(centre - length // 2 + length, x.size)
    return np.asarray((total[high] - total[low]) / (high - low))


def _runs(true: np.ndarray) -> np.ndarray:
    """``(runs, 2)`` first and one past the last index of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]])))
    return edges.reshape(-1, 2)


def _between(peaks: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """The peaks to a fraction of a sample: the top of the parabola through each and its neighbours."""
    inner = peaks[(peaks > 0) & (peaks < energy.size - 1)]
    before, at, after = energy[inner - 1], energy[inner], energy[inner + 1]
    bend = before - 2 * at + after
    return inner + np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1), 0)


def _apart(peaks: np.ndarray, energy: np.ndarray, distance: int) -> np.ndarray:
    """The peaks, strongest first, without those closer than ``distance`` to one that is kept."""
    while len(peaks) > 1:
        close = np.flatnonzero(np.diff(peaks) < distance)
        if not len(close):
            break
        weaker = np.where(energy[peaks[close]] < energy[peaks[close + 1]], close, close + 1)
        peaks = np.delete(peaks, weaker)
    return peaks
