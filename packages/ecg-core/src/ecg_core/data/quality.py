"""Quality flags: what is wrong with a recording, lead by lead, from physics alone; and Einthoven's law as a check.

A flag says what a reader should look at; only ``nan`` and ``flat`` leads are refused when a store is made. The thresholds are
physical, not learnt: a heart moves every lead within a second, a QRS complex is a fraction of a millivolt to a few, an
amplifier that has reached its rail stays there for several samples.
"""

from __future__ import annotations

import numpy as np

from ecg_core.data.leads import limb_lead_weights
from ecg_core.data.record import Record

__all__ = ["FLAGS", "einthoven_error", "quality_flags"]

FLAGS = {
    "nan": "samples that are NaN or infinite",
    "flat": "the same value throughout",
    "lead_off": "the same value for a second or longer",
    "saturated": "the highest or lowest value held, as an amplifier at its rail does",
    "wrong_gain": "amplitudes no heart makes: above 20 mV, or below 0.05 mV in every lead",
    "einthoven": "limb leads that contradict each other (III is not II - I, or aVR, aVL, aVF do not follow from I and II)",
}

_OFF = 1.0  # seconds
_RAIL, _RAIL_SHARE = 0.02, 0.005  # seconds a rail is held at least; share of the recording in all
_HIGH, _LOW = 20.0, 0.05  # mV, peak to peak within a typical second
_DISAGREEMENT = 0.25  # residual over signal, both as root mean square


def quality_flags(record: Record) -> tuple[str, ...]:
    """What is wrong with a recording: ``"flag:lead"`` (:data:`FLAGS`) in the order of the leads, then ``"einthoven"``.

    Example:
        >>> beats = np.sin(np.arange(2000) / 20, dtype=np.float32)
        >>> quality_flags(Record(np.stack([beats, 0 * beats]), 250, ("I", "II")))
        ('flat:II',)
    """
    x = record.signal
    finite = np.isfinite(x)
    whole = bool(finite.all())
    low, high = (extreme(x, axis=1) for extreme in (np.fmin.reduce, np.fmax.reduce))
    flat = low == high
    row, length, value = _constant_runs(x)
    off = _leads_with(row[length >= _OFF * record.fs], len(x))
    rail = (length >= max(3, _RAIL * record.fs)) & (length < _OFF * record.fs) & ((value == low[row]) | (value == high[row]))
    held = np.bincount(row[rail], weights=length[rail], minlength=len(x))
    span = _typical_span(x if whole else np.where(finite, x, 0), record.fs)
    unheard = span.max() < _LOW
    found = {
        "nan": np.zeros(len(x), dtype=bool) if whole else ~finite.all(axis=1),
        "flat": flat,
        "lead_off": off & ~flat,
        "saturated": (held >= _RAIL_SHARE * x.shape[1]) & ~flat,
        "wrong_gain": ((span > _HIGH) | unheard) & ~flat,
    }
    flags = [f"{flag}:{lead}" for i, lead in enumerate(record.leads) for flag, leads in found.items() if leads[i]]
    error = einthoven_error(record)
    if error is not None and error > _DISAGREEMENT:
        flags.append("einthoven")
    return tuple(flags)


def einthoven_error(record: Record) -> float | None:
    """How far the limb leads contradict each other; ``None`` where they cannot.

    III = II - I (Einthoven), aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2 (Goldberger): of each lead that is there,
    the root mean square of the difference over that of I and II together, without constant offsets, the largest of them. 0 is
    perfect agreement.
    """
    derived = [lead for lead in ("III", "aVR", "aVL", "aVF") if lead in record.leads]
    if not derived or not {"I", "II"} <= set(record.leads):
        return None
    x = record.signal[[record.leads.index(lead) for lead in ("I", "II", *derived)]]
    finite = np.isfinite(x).all(axis=0)
    x = x if finite.all() else x[:, finite]
    if not x.shape[1]:
        return None
    x = x - x.mean(axis=1, keepdims=True)
    weights = np.array([limb_lead_weights(lead) for lead in derived], dtype=np.float32)
    residual = x[2:] - weights @ x[:2]
    largest = float(np.sqrt(np.einsum("ij,ij->i", residual, residual).max() / x.shape[1]))
    size = float(np.sqrt(np.vdot(x[:2], x[:2]) / x[:2].size))
    return 0.0 if largest == 0 else largest / size if size else float("inf")


def _constant_runs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stretches of at least two equal values: their lead, length and value."""
    same = np.zeros((x.shape[0], x.shape[1] + 1), dtype=bool)
    np.equal(x[:, 1:], x[:, :-1], out=same[:, 1:-1])
    edges = np.flatnonzero(same.ravel()[1:] != same.ravel()[:-1])  # every row begins and ends false
    start, stop = edges[::2], edges[1::2]
    row, column = np.divmod(start, same.shape[1])
    return row, stop - start + 1, x[row, column]


def _leads_with(rows: np.ndarray, leads: int) -> np.ndarray:
    return np.bincount(rows, minlength=leads) > 0


def _typical_span(x: np.ndarray, fs: float) -> np.ndarray:
    """Peak to peak within a second, the median over the seconds, of each lead."""
    length = min(x.shape[1], max(1, round(fs)))
    seconds = x[:, : x.shape[1] // length * length].reshape(len(x), -1, length)
    return np.asarray(np.median(seconds.max(axis=2) - seconds.min(axis=2), axis=1))
