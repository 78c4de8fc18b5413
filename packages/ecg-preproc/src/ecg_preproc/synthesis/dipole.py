"""From waves to leads: the heart as one moving dipole, each wave a Gaussian bump of it in space, seen by twelve leads.

Waves as Gaussians on the beat: McSharry et al. 2003, IEEE TBME 50(3); as a three-dimensional dipole: Sameni et al. 2007,
"Multichannel ECG and noise modeling", EURASIP J. Adv. Signal Process. 043407. Differs from the papers: waves lie in ms around the
R peak and not on a phase, because PR and QRS do not stretch with the RR interval, and QT stretches with its cube root.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecg_core.data.leads import STANDARD_12, limb_lead_weights

__all__ = ["DOWER", "Wave", "rotation", "twelve_leads", "vectorcardiogram", "wave_table"]

# Dower, Machado, Osborne 1980, "On deriving the electrocardiogram from vectorcardiographic leads", Clin. Cardiol. 3(2): rows are
# I, II, V1 ... V6; columns the Frank axes X (to the left), Y (to the feet), Z (to the back).
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)


@dataclass(frozen=True, slots=True)
class Wave:
    """One Gaussian bump of the dipole.

    Args:
        at: Its peak, in ms after its anchor.
        rise: Standard deviation before the peak, ms.
        fall: Standard deviation after the peak, ms.
        x: mV to the patient's left.
        y: mV to the feet.
        z: mV to the back.
    """

    at: float
    rise: float
    fall: float
    x: float
    y: float
    z: float


def wave_table(waves: Sequence[Wave]) -> np.ndarray:
    """Waves as rows ``(at, rise, fall, x, y, z)``, ``(waves, 6)``: times in s, the dipole in mV."""
    return np.array([(w.at / 1e3, w.rise / 1e3, w.fall / 1e3, w.x, w.y, w.z) for w in waves]).reshape(-1, 6)


def vectorcardiogram(waves: np.ndarray, *, n_samples: int, fs: float) -> np.ndarray:
    """Sum of waves over time.

    Args:
        waves: Rows ``(at, rise, fall, x, y, z)`` in s and mV, of all beats together.
        n_samples: Length; the first sample is at 0 s.
        fs: Hz.

    Returns:
        The dipole ``(3, n_samples)`` in mV.
    """
    dipole = np.zeros((3, n_samples))
    for at, rise, fall, *axis in waves:
        # Beyond 6 standard deviations a bump is below 1e-8 of its peak.
        start, stop = max(0, int((at - 6 * rise) * fs)), min(n_samples, int((at + 6 * fall) * fs) + 2)
        if start < stop:
            distance = np.arange(start, stop) / fs - at
            bump = np.exp(-0.5 * (distance / np.where(distance < 0, rise, fall)) ** 2)
            dipole[:, start:stop] += np.outer(axis, bump)
    return dipole


def rotation(x: float, y: float, z: float) -> np.ndarray:
    """Rotation of the heart by small angles (degrees) around the three axes, ``(3, 3)``."""
    a, b, c = np.deg2rad((x, y, z))
    around_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    around_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    around_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(around_z @ around_y @ around_x)


def twelve_leads(independent: np.ndarray) -> np.ndarray:
    """The standard 12 leads from I, II, V1 ... V6: ``(8, samples)`` to ``(12, samples)``.

    III, aVR, aVL and aVF are computed from I and II, so Einthoven's and Goldberger's equations hold whatever the input.
    """
    one, two = independent[:2]
    limb = [weights[0] * one + weights[1] * two for lead in STANDARD_12 if (weights := limb_lead_weights(lead))]
    return np.concatenate([independent[:2], limb, independent[2:]])
