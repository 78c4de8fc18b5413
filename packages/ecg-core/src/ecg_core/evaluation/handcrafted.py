"""Features that a cardiologist would measure: rate, irregularity, and amplitudes and intervals of each lead's typical beat.

Not a diagnosis and not tuned for one: a floor that a network has to beat. The typical beat of a lead is the median over the beats
of a window; its waves are the extreme values in fixed stretches around the R peak.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg_core.data.r_peaks import detect_r_peaks
from ecg_core.errors import DataError
from ecg_core.evaluation.ranking import Floats

__all__ = ["BEAT_FEATURES", "RHYTHM_FEATURES", "handcrafted_features"]

RHYTHM_FEATURES = ("heart_rate", "rr_std", "rr_successive", "rr_jumps", "rr_range", "beats")
BEAT_FEATURES = (
    "r_amplitude", "s_amplitude", "qrs_width", "st_level", "t_amplitude", "t_time", "p_amplitude", "p_time", "spread",
)  # fmt: skip

_BEFORE, _AFTER = 0.25, 0.45  # seconds of a beat around its R peak
_LEVEL = (-0.08, -0.06)  # seconds, where nothing happens between P wave and QRS complex
_QRS, _WIDE = (-0.05, 0.05), (-0.1, 0.1)
_ST, _T, _P = (0.08, 0.1), (0.15, 0.4), (-0.22, -0.09)
_FLANK = 0.25  # of the largest deflection, which bounds the QRS complex
_JUMP = 0.05  # seconds between successive RR intervals


def handcrafted_features(x: Any, *, fs: float) -> Floats:
    """Measurements of windows, ``(windows, 6 + 9 · leads)``; NaN where there is no beat to measure.

    The first six are those of the rhythm (:data:`RHYTHM_FEATURES`): beats per minute, standard deviation and successive
    difference of the RR intervals over their mean, share of jumps above 50 ms, longest minus shortest over the mean, beats. Nine
    per lead follow, lead by lead (:data:`BEAT_FEATURES`), in mV and seconds from the R peak.

    Args:
        x: ``(windows, leads, samples)`` in mV.
        fs: Hz, above 50.

    Raises:
        DataError: Another shape, or a sampling frequency that cannot hold a QRS complex.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 3:
        raise DataError(f"expected windows (windows, leads, samples), got shape {x.shape}")
    return np.array([_window(window, fs) for window in x]).reshape(len(x), len(RHYTHM_FEATURES) + x.shape[1] * len(BEAT_FEATURES))


def _window(x: Floats, fs: float) -> Floats:
    peaks = detect_r_peaks(x, fs=fs)
    return np.concatenate([_rhythm(peaks, fs), _beats(x, peaks, fs).ravel()])


def _rhythm(peaks: np.ndarray, fs: float) -> Floats:
    rr = np.diff(peaks) / fs
    if len(rr) < 2:
        return np.array([*([np.nan] * (len(RHYTHM_FEATURES) - 1)), len(peaks)])
    jumps = np.abs(np.diff(rr))
    mean = rr.mean()
    return np.array(
        [60 / np.median(rr), rr.std() / mean, jumps.mean() / mean, (jumps > _JUMP).mean(), np.ptp(rr) / mean, len(peaks)]
    )


def _beats(x: Floats, peaks: np.ndarray, fs: float) -> Floats:
    """``(leads, 9)``."""
    before, after = round(_BEFORE * fs), round(_AFTER * fs)
    whole = peaks[(peaks >= before) & (peaks + after < x.shape[1])]
    found = np.full((len(x), len(BEAT_FEATURES)), np.nan)
    found[:, -1] = x.std(axis=1)
    if not len(whole):
        return found
    beat = np.median(x[:, whole[:, np.newaxis] + np.arange(-before, after)], axis=1)  # (leads, samples of a beat)
    time = np.arange(-before, after) / fs

    def within(span: tuple[float, float]) -> np.ndarray:
        return np.flatnonzero((time >= span[0] - 0.5 / fs) & (time <= span[1] + 0.5 / fs))

    beat = beat - beat[:, within(_LEVEL)].mean(axis=1, keepdims=True)
    qrs, wide = beat[:, within(_QRS)], np.abs(beat[:, within(_WIDE)])
    found[:, 0], found[:, 1] = qrs.max(axis=1), qrs.min(axis=1)
    found[:, 2] = (wide > _FLANK * wide.max(axis=1, keepdims=True)).sum(axis=1) / fs
    found[:, 3] = beat[:, within(_ST)].mean(axis=1)
    for column, span in ((4, _T), (6, _P)):
        part = within(span)
        extreme = np.abs(beat[:, part]).argmax(axis=1)
        found[:, column] = beat[np.arange(len(x)), part[extreme]]
        found[:, column + 1] = time[part[extreme]]
    return found
