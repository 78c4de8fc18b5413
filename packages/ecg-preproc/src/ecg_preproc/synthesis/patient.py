"""Who is recorded: a patient's diagnosis, age, body and heart, which stay the same in all of the patient's recordings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ecg_preproc.synthesis.conditions import ECTOPIC, MIXES, Conduction, combine
from ecg_preproc.synthesis.dipole import DOWER, rotation

__all__ = ["Patient", "draw_patient", "patient_of_each_record"]

# One stream of random numbers for each purpose, so that no draw moves another.
_SHUFFLE, _PATIENT = 0, 1

# Dower's chest leads are somewhat taller against the limb leads than those of most recordings.
_CHEST = np.array([1.0, 1.0, *[0.85] * 6])[:, None]


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient.

    Args:
        patient_id: ``p0000``, ``p0001``, …
        codes: Diagnoses.
        paroxysmal: Whether atrial fibrillation comes and goes.
        records: How many recordings there are.
        age: Years.
        sex: ``"F"`` or ``"M"``.
        torso: What each lead sees of the dipole, rows I, II, V1 … V6, ``(8, 3)``.
        position: Of the heart in the chest, a rotation ``(3, 3)``.
        repolarisation: Position of the T wave, which varies less than that of the QRS, a rotation ``(3, 3)``.
        rate: Where in the range of the diagnosis the heart rate usually is, 0 to 1.
        variability: Respiratory sinus arrhythmia as a fraction of RR.
        limb_mv: QRS peak to peak in the tallest limb lead, mV.
        stretch: Factor on the duration of the QRS.
        p_scale: Factor on the P wave.
        t_scale: Factor on the T wave.
        pr: PR interval at 70 beats per minute, s.
        qtc: Corrected QT, s.
        territory: Place of an ST elevation, if any.
        elevation: Multiple of the elevation the criteria ask for.
        ectopic: The form of premature ventricular beats.
        fibrillation: Frequency of fibrillatory waves, Hz.
        mains_frequency: 50 or 60 Hz, where the patient lives.
    """

    patient_id: str
    codes: tuple[str, ...]
    paroxysmal: bool
    records: int
    age: int
    sex: Literal["F", "M"]
    torso: np.ndarray
    position: np.ndarray
    repolarisation: np.ndarray
    rate: float
    variability: float
    limb_mv: float
    stretch: float
    p_scale: float
    t_scale: float
    pr: float
    qtc: float
    territory: str | None
    elevation: float
    ectopic: Conduction
    fibrillation: float
    mains_frequency: float


def draw_patient(seed: int, index: int) -> Patient:
    """The patient of this number: a pure function of both arguments."""
    block, place = divmod(index, len(MIXES))
    codes = MIXES[np.random.default_rng((seed, _SHUFFLE, block)).permutation(len(MIXES))[place]]
    rng = np.random.default_rng((seed, _PATIENT, index))
    typical = combine(codes)
    age = int(rng.integers(*typical.age))
    sex: Literal["F", "M"] = "F" if rng.random() < 0.5 else "M"
    return Patient(
        patient_id=f"p{index:04d}",
        codes=codes,
        paroxysmal="AFIB" in codes and rng.random() < 0.25,
        records=int(rng.integers(1, 5)),
        age=age,
        sex=sex,
        torso=DOWER * _CHEST * rng.normal(1, 0.05, DOWER.shape),
        # The axis turns to the left with the years, as it does in people.
        position=rotation(rng.normal(0, 4), rng.normal(0, 6), rng.normal(6 - 0.25 * (age - 30), 9)),
        repolarisation=rotation(rng.normal(0, 5), rng.normal(0, 6), rng.normal(0, 6)),
        rate=rng.uniform(0, 1),
        variability=float(np.clip(rng.normal(0.065 - 0.0006 * age, 0.01), 0.008, 0.08)),
        limb_mv=rng.uniform(*typical.limb_mv),
        stretch=rng.uniform(*typical.conduction.stretch),
        p_scale=_factor(rng, 0.15),
        t_scale=_factor(rng, 0.20) * (0.92 if sex == "F" else 1.05),
        pr=rng.uniform(0.135, 0.185),
        qtc=rng.normal(0.405 if sex == "M" else 0.415, 0.01),
        territory=str(rng.choice(typical.territories)) if typical.territories else None,
        elevation=rng.uniform(1.3, 2.6),
        ectopic=ECTOPIC[rng.integers(len(ECTOPIC))],
        fibrillation=rng.uniform(5.0, 7.5),
        mains_frequency=50.0 if rng.random() < 0.6 else 60.0,
    )


def patient_of_each_record(seed: int) -> Iterator[Patient]:
    """The patient of record 0, 1, 2, …, without end; each patient's recordings follow one another."""
    index = 0
    while True:
        patient = draw_patient(seed, index)
        yield from [patient] * patient.records
        index += 1


def _factor(rng: np.random.Generator, spread: float) -> float:
    """A log-normal factor around 1, without its extremes."""
    return float(np.exp(np.clip(rng.normal(0, spread), -2 * spread, 2 * spread)))
