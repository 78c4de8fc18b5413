"""One recording of one patient: rhythm, waves, leads and noise put together."""

from __future__ import annotations

import numpy as np

from ecg_core.data.leads import STANDARD_12
from ecg_core.data.record import Record
from ecg_preproc.synthesis.conditions import P_WAVES, TERRITORIES, Conduction, Heart, combine
from ecg_preproc.synthesis.dipole import rotation, twelve_leads, vectorcardiogram, wave_table
from ecg_preproc.synthesis.heart import Beats, Breath, fibrillating, qt_seconds, sinus, with_ectopics
from ecg_preproc.synthesis.noise import draw_noise_level, electrode_noise
from ecg_preproc.synthesis.patient import Patient

__all__ = ["trace"]

# One stream for the heart and one for the noise: a recording without noise is the same recording.
_HEART, _NOISE = 2, 3
_LIMB = slice(0, 6)


def trace(patient: Patient, *, seed: int, index: int, seconds: float, fs: float, noise: bool = True) -> Record:
    """Record a patient's ECG.

    Args:
        patient: Who.
        seed: Of the data set.
        index: Number of the recording; all draws are a function of ``(seed, index)``.
        seconds: Length.
        fs: Hz.
        noise: Whether the recording is as noisy as real ones.

    Returns:
        ``(12, samples)`` in mV with the target ``dx`` and the annotation ``r_peaks`` (samples).
    """
    rng = np.random.default_rng((seed, _HEART, index))
    n_samples = round(seconds * fs)
    codes = patient.codes
    if patient.paroxysmal and rng.random() < 0.5:
        codes = tuple(code for code in codes if code != "AFIB") or ("NORM",)
    heart = combine(codes)
    breath = Breath(rng.uniform(0.18, 0.35), rng.uniform(0, 2 * np.pi))
    beats = _rhythm(patient, heart, seconds, breath, rng)
    position = rotation(*rng.normal(0, 2, 3)) @ patient.position  # posture, and electrodes a little elsewhere
    limb_mv = float(np.clip(patient.limb_mv * rng.normal(1, 0.05), *heart.limb_mv))
    waves = _waves(patient, heart, beats, position, limb_mv, breath, rng)
    dipole = vectorcardiogram(waves, n_samples=n_samples, fs=fs)
    if heart.fibrillates:
        dipole = dipole + _fibrillation(patient.fibrillation, np.arange(n_samples) / fs, rng)
    leads = patient.torso @ dipole
    if noise:
        rng = np.random.default_rng((seed, _NOISE, index))
        level = draw_noise_level(rng, mains_frequency=patient.mains_frequency)
        leads = leads + electrode_noise(level, n_samples=n_samples, fs=fs, breath=breath, rng=rng)
    inside = (beats.times >= 0) & (beats.times < seconds)
    return Record(
        signal=twelve_leads(leads),
        fs=fs,
        leads=STANDARD_12,
        record_id=f"r{index:05d}",
        patient_id=patient.patient_id,
        age=float(patient.age),
        sex=patient.sex,
        labels={"dx": codes},
        annotations={"r_peaks": np.floor(beats.times[inside] * fs).astype(np.int64)},
    )


def _rhythm(patient: Patient, heart: Heart, seconds: float, breath: Breath, rng: np.random.Generator) -> Beats:
    low, high = heart.rate
    rate = low + (high - low) * float(np.clip(patient.rate + rng.normal(0, 0.12), 0, 1))
    if heart.fibrillates:
        return fibrillating(rate, seconds, irregularity=rng.uniform(0.18, 0.28), rng=rng)
    # A fast heart is driven by the sympathetic nerve and hardly listens to the breath.
    variability = patient.variability * min(1.0, (75.0 / rate) ** 2)
    beats = sinus(rate, seconds, breath=breath, variability=variability, rng=rng)
    fewest, most = heart.ectopics
    if most == 0:
        return beats
    count = max(1, round(rng.integers(fewest, most + 1) * seconds / 10))
    return with_ectopics(beats, count, seconds, prematurity=rng.uniform(0.56, 0.68), rng=rng)


def _waves(
    patient: Patient,
    heart: Heart,
    beats: Beats,
    position: np.ndarray,
    limb_mv: float,
    breath: Breath,
    rng: np.random.Generator,
) -> np.ndarray:
    """Every wave of every beat, rows ``(at, rise, fall, x, y, z)`` in s and mV."""
    conducted = _ventricles(heart.conduction, patient.stretch, position)
    scale = limb_mv / _tallest_limb_lead(conducted, patient.torso)
    conducted[:, 3:] *= scale
    ectopic = _ventricles(patient.ectopic, 1.0, position)
    ectopic[:, 3:] *= scale
    p = wave_table(P_WAVES)
    p[:, 3:] = p[:, 3:] @ patient.position.T * patient.p_scale
    everything = []
    for time, rr, is_ectopic in zip(beats.times, beats.rr, beats.ectopic, strict=True):
        conduction = patient.ectopic if is_ectopic else heart.conduction
        stretch = 1.0 if is_ectopic else patient.stretch
        # The chest fills and empties: QRS and T grow and shrink by a few percent with the breath.
        size = 1 + 0.03 * float(breath.at(np.array(time))) + rng.normal(0, 0.008)
        ventricles = [ectopic if is_ectopic else conducted]
        ventricles.append(_repolarisation(patient, conduction, stretch, float(rr), np.sqrt(scale)))
        if patient.territory is not None and not is_ectopic:
            ventricles.append(_injury(patient, conduction, stretch))
        beat = [np.concatenate(ventricles) * [1, 1, 1, size, size, size]]
        if beats.has_p and not is_ectopic:
            # PR is measured between onsets, and shortens a little as the heart speeds up.
            pr = float(np.clip(patient.pr - 0.0004 * (60 / rr - 70), 0.122, 0.198)) + rng.normal(0, 0.002)
            atria = p.copy()
            atria[:, 0] += conduction.onset * stretch / 1e3 - pr
            atria[:, 3:] *= rng.normal(1, 0.04)
            beat.append(atria)
        table = np.concatenate(beat)
        table[:, 0] += time
        everything.append(table)
    return np.concatenate(everything)


def _ventricles(conduction: Conduction, stretch: float, position: np.ndarray) -> np.ndarray:
    table = wave_table(conduction.qrs)
    table[:, :3] *= stretch
    table[:, 3:] = table[:, 3:] @ position.T
    return table


def _tallest_limb_lead(waves: np.ndarray, torso: np.ndarray) -> float:
    """QRS peak to peak in the limb lead that has most, mV."""
    shifted = waves.copy()
    shifted[:, 0] += 0.25
    leads = twelve_leads(torso @ vectorcardiogram(shifted, n_samples=500, fs=1000.0))
    return float(np.ptp(leads[_LIMB], axis=1).max())


def _repolarisation(patient: Patient, conduction: Conduction, stretch: float, rr: float, scale: float) -> np.ndarray:
    """The T wave of one beat: it ends a QT interval after the QRS begins, and falls faster than it rises."""
    onset, offset = conduction.onset * stretch / 1e3, conduction.offset * stretch / 1e3
    # A wide QRS ends late, and so does the T wave: half of what it is longer than 95 ms.
    qt = float(qt_seconds(rr, patient.qtc)) + 0.5 * max(0.0, offset - onset - 0.095)
    rise, fall = 0.150 * qt, 0.100 * qt
    # A Gaussian seems to end 2.2 standard deviations after its peak. A fast heart has smaller T waves.
    amplitude = patient.repolarisation @ conduction.t * patient.t_scale * scale * np.clip(rr / 0.8, 0.7, 1.1)
    return np.array([[onset + qt - 2.2 * fall, rise, fall, *amplitude]])


def _injury(patient: Patient, conduction: Conduction, stretch: float) -> np.ndarray:
    """The ST elevation of one beat. It does not turn with the heart: the criteria hold in the leads the territory names."""
    territory = TERRITORIES[patient.territory or ""]
    seen = dict(zip(STANDARD_12, twelve_leads(patient.torso @ np.array(territory.direction)[:, None])[:, 0], strict=True))
    amplitude = max(need / seen[lead] for lead, need in territory.needs.items()) * patient.elevation
    offset = conduction.offset * stretch / 1e3
    return np.array([[offset + 0.030, 0.022, 0.080, *(amplitude * np.array(territory.direction))]])


def _fibrillation(frequency: float, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fibrillatory waves, ``(3, samples)`` in mV: a sawtooth that wavers in frequency and amplitude.

    Stridh and Sörnmo 2001, "Spatiotemporal QRST cancellation techniques for analysis of atrial fibrillation", IEEE TBME 48(1).
    The dipole lies near V1, which therefore shows them best.
    """
    wander = 2 * np.pi * rng.uniform(0.1, 0.3) * times + rng.uniform(0, 2 * np.pi)
    phase = 2 * np.pi * frequency * times + 0.35 * frequency / 6 * 2 * np.pi * np.sin(wander)
    size = 1 + 0.3 * np.sin(2 * np.pi * rng.uniform(0.2, 0.6) * times + rng.uniform(0, 2 * np.pi))
    strength = rng.uniform(0.6, 1.2)
    waves = np.zeros((3, len(times)))
    for row, axis in enumerate((-0.040, 0.045, -0.060)):
        own = rng.normal(0, 0.4)
        for harmonic in (1, 2, 3):
            waves[row] += axis / harmonic * np.sin(harmonic * (phase + own))
    return strength * size * waves
