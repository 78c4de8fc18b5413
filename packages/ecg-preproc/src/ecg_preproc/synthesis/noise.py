"""What a real recording adds: wandering baseline, muscle, mains and the amplifier, at the electrodes where it enters.

Noise is made for the nine electrodes and subtracted as the leads subtract their electrodes, so the limb leads stay consistent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg_preproc.synthesis.heart import Breath

__all__ = ["ELECTRODES_TO_LEADS", "NoiseLevel", "draw_noise_level", "electrode_noise"]

# Rows I, II, V1 ... V6; columns the electrodes RA, LA, LL, C1 ... C6. Wilson's terminal is (RA + LA + LL) / 3.
ELECTRODES_TO_LEADS = np.zeros((8, 9))
ELECTRODES_TO_LEADS[0, [1, 0]] = 1.0, -1.0
ELECTRODES_TO_LEADS[1, [2, 0]] = 1.0, -1.0
ELECTRODES_TO_LEADS[2:, :3] = -1.0 / 3.0
ELECTRODES_TO_LEADS[2:, 3:] = np.eye(6)


@dataclass(frozen=True)
class NoiseLevel:
    """How noisy one recording is, at each electrode.

    Args:
        breathing: Amplitude of the baseline's respiratory part, mV.
        drift: Standard deviation of its slow part (sweat, electrode polarisation), mV.
        muscle: RMS of muscle noise at rest, mV; bursts have several times as much.
        bursts: Muscle bursts per 10 s.
        mains: Amplitude, mV.
        mains_frequency: 50 or 60 Hz.
        amplifier: RMS of white noise, mV.
    """

    breathing: float
    drift: float
    muscle: float
    bursts: float
    mains: float
    mains_frequency: float
    amplifier: float


def draw_noise_level(rng: np.random.Generator, *, mains_frequency: float) -> NoiseLevel:
    """The noise of one recording: mostly quiet, sometimes not (log-normal)."""

    def around(median: float, spread: float) -> float:
        return float(median * np.exp(np.clip(rng.normal(0, spread), -2 * spread, 2 * spread)))

    return NoiseLevel(
        breathing=around(0.03, 0.6),
        drift=around(0.035, 0.6),
        muscle=around(0.006, 0.6),
        bursts=float(rng.choice([0.0, 0.0, 1.0, 2.0])),
        mains=around(0.004, 0.8),
        mains_frequency=mains_frequency,
        amplifier=0.002,
    )


def electrode_noise(level: NoiseLevel, *, n_samples: int, fs: float, breath: Breath, rng: np.random.Generator) -> np.ndarray:
    """Noise of the independent leads I, II, V1 ... V6, ``(8, n_samples)`` in mV."""
    times = np.arange(n_samples) / fs
    shape = (9, n_samples)
    noise = level.breathing * rng.normal(0.6, 0.6, (9, 1)) * breath.at(times)
    noise = noise + level.drift * _shaped(shape, fs, rng, low=0.0, high=0.12, slope=1.0)
    muscle = _shaped(shape, fs, rng, low=20.0, high=130.0, slope=0.5)
    noise += level.muscle * muscle * _bursts(level, times, rng)
    if level.mains_frequency < fs / 2:
        # The line frequency itself is never exact.
        frequency = level.mains_frequency + rng.normal(0, 0.02)
        phase = 2 * np.pi * frequency * times + rng.normal(0, 0.4, (9, 1)) + rng.uniform(0, 2 * np.pi)
        noise += level.mains * rng.uniform(0.3, 1.0, (9, 1)) * np.sin(phase)
    noise += level.amplifier * rng.standard_normal(shape)
    return np.asarray(ELECTRODES_TO_LEADS @ noise)


def _shaped(shape: tuple[int, int], fs: float, rng: np.random.Generator, *, low: float, high: float, slope: float) -> np.ndarray:
    """Gaussian noise between two frequencies (Hz) with a spectrum falling as ``f**-slope``, RMS 1 per row."""
    # Twice the length, so that the end of the recording does not join its beginning.
    length = 2 * shape[1]
    frequencies = np.fft.rfftfreq(length, 1 / fs)
    # Edges are a quarter of a hertz to a fifth of the corner wide, not brick walls.
    width = np.maximum(0.2 * np.array([low, high]), 0.02)
    gain = _sigmoid(4 * (frequencies - low) / width[0]) * _sigmoid(4 * (high - frequencies) / width[1])
    gain[0] = 0.0
    gain[1:] /= np.maximum(frequencies[1:], 0.05) ** slope
    spectrum = gain * (rng.standard_normal((shape[0], len(gain))) + 1j * rng.standard_normal((shape[0], len(gain))))
    noise = np.fft.irfft(spectrum, length)
    # The RMS is that of the process and not of the cut, or a slow drift would always seem as large as a fast one.
    return np.asarray(noise[:, : shape[1]] / np.sqrt(np.mean(noise**2, axis=1, keepdims=True)))


def _bursts(level: NoiseLevel, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Envelope of muscle activity, ``(9, samples)``: 1 at rest, up to 6 in a burst at some electrodes."""
    envelope = np.ones((9, len(times)))
    for _ in range(rng.poisson(level.bursts * times[-1] / 10) if level.bursts else 0):
        centre, width = rng.uniform(0, times[-1]), rng.uniform(0.15, 0.8)
        strength = rng.uniform(1, 5) * rng.uniform(0, 1, (9, 1)) ** 2
        envelope += strength * np.exp(-0.5 * ((times - centre) / width) ** 2)
    return envelope


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(x / 2))  # the logistic function, without overflow
