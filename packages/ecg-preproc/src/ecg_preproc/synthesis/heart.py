"""When the heart beats: sinus rhythm with its natural variability, atrial fibrillation, and premature ventricular beats.

Sinus variability follows McSharry et al. 2003, "A dynamical model for generating synthetic electrocardiogram signals", IEEE
TBME 50(3): a respiratory and a slower vascular oscillation (Mayer waves, 0.1 Hz). Differs from the paper: the two are added in
time and not through a spectrum, so that the respiration which moves the beats is the one which moves the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ecg_core.errors import DataError

__all__ = ["Beats", "Breath", "fibrillating", "qt_seconds", "sinus", "with_ectopics"]

_LEAD_IN = 1.5  # seconds of beats before the first and after the last sample, so that no edge lacks a wave
_SHORTEST_FIBRILLATING_RR = 0.34  # s; the AV node is refractory before


@dataclass(frozen=True)
class Breath:
    """Respiration as one sinusoid.

    Args:
        frequency: Hz.
        phase: rad.
    """

    frequency: float
    phase: float

    def at(self, times: np.ndarray) -> np.ndarray:
        """Its value from -1 to 1, ``(times,)``."""
        return np.sin(2 * np.pi * self.frequency * times + self.phase)


@dataclass(frozen=True)
class Beats:
    """Beats of one recording, some of them before its first and after its last sample.

    Args:
        times: R peaks in s, ``(beats,)``, ascending.
        ectopic: Which are premature ventricular beats, ``(beats,)``.
        has_p: Whether atrial contraction precedes each conducted beat.
    """

    times: np.ndarray
    ectopic: np.ndarray
    has_p: bool

    @property
    def rr(self) -> np.ndarray:
        """Interval before each beat in s, ``(beats,)``; the first repeats the second."""
        intervals = np.diff(self.times)
        return np.concatenate([intervals[:1], intervals])


def sinus(rate: float, seconds: float, *, breath: Breath, variability: float, rng: np.random.Generator) -> Beats:
    """Sinus rhythm whose mean rate is exactly ``rate``.

    Args:
        rate: Beats per minute.
        seconds: Length of the recording.
        breath: Respiration: inspiration shortens RR.
        variability: Amplitude of the respiratory modulation, as a fraction of RR.
        rng: Source of everything random.
    """
    mean = 60.0 / rate
    count = int(np.ceil((seconds + 2 * _LEAD_IN) / mean)) + 2
    nominal = mean * (np.arange(count) - rng.uniform(0, 1)) - _LEAD_IN
    slow = np.sin(2 * np.pi * 0.1 * nominal + rng.uniform(0, 2 * np.pi))
    rr = 1 - variability * breath.at(nominal) + 0.6 * variability * slow + 0.25 * variability * rng.standard_normal(count)
    rr *= mean / rr.mean()
    times = nominal[0] + np.cumsum(rr) - rr[0]
    return Beats(times, np.zeros(count, dtype=bool), has_p=True)


def fibrillating(rate: float, seconds: float, *, irregularity: float, rng: np.random.Generator) -> Beats:
    """The ventricles in atrial fibrillation: every interval is drawn by itself ("irregularly irregular"), no P wave.

    Args:
        rate: Mean beats per minute, at most 150.
        seconds: Length of the recording.
        irregularity: Coefficient of variation of RR; 0.15 to 0.3 in patients.
        rng: Source of everything random.
    """
    mean = 60.0 / rate
    count = int(np.ceil((seconds + 2 * _LEAD_IN) / mean)) + 4
    # A gamma above the refractory period: short intervals pile up there and long ones are rare, as the AV node does it.
    room = mean - _SHORTEST_FIBRILLATING_RR * 0.9
    shape = (room / (irregularity * mean)) ** 2
    rr = np.maximum(mean - room + rng.gamma(shape, room / shape, count), _SHORTEST_FIBRILLATING_RR)
    rr *= mean / rr.mean()
    times = np.cumsum(rr) - rr[0] * rng.uniform(0, 1) - _LEAD_IN
    return Beats(times, np.zeros(count, dtype=bool), has_p=False)


def with_ectopics(beats: Beats, count: int, seconds: float, *, prematurity: float, rng: np.random.Generator) -> Beats:
    """Some beats replaced by premature ventricular ones. The next sinus beat keeps its time: a full compensatory pause.

    Args:
        beats: Regular beats.
        count: How many; fewer where a short recording has no room.
        seconds: Length of the recording; the beats before and after every ectopic are in it.
        prematurity: Coupling interval as a fraction of RR; never shorter than the QT interval, so that no R falls on a T.
        rng: Source of everything random.

    Raises:
        DataError: Not even one fits.
    """
    inside = 1 + np.flatnonzero((beats.times[:-2] > 0.1) & (beats.times[2:] < seconds - 0.2))
    if not len(inside):
        raise DataError(f"{seconds:g} s are too short for a premature beat between two others; make recordings of 5 s or more")
    rng.shuffle(inside)
    chosen: list[int] = []
    for index in inside.tolist():
        # Two sinus beats between ectopics keep each pause visible.
        if len(chosen) < count and all(abs(index - other) > 2 for other in chosen):
            chosen.append(index)
    times, ectopic = beats.times.copy(), beats.ectopic.copy()
    for index in chosen:
        rr = beats.times[index] - beats.times[index - 1]
        coupling = max(prematurity * rr, float(qt_seconds(rr, 0.40)) + 0.04)
        times[index] = beats.times[index - 1] + min(coupling, 0.85 * rr)
        ectopic[index] = True
    return replace(beats, times=times, ectopic=ectopic)


def qt_seconds(rr: float | np.ndarray, qtc: float) -> np.ndarray:
    """QT interval in s of a beat after an interval ``rr`` (s), by Fridericia 1920: ``qtc`` times the cube root of RR."""
    return np.asarray(qtc * np.cbrt(np.clip(rr, 0.35, 1.6)))
