"""What is wrong with the heart: each condition as a small set of parameters, named by its SCP-ECG code as in PTB-XL.

A condition states only what it changes; :func:`combine` puts several together over a normal heart. Criteria are those of the
AHA/ACCF/HRS Recommendations for the Standardization and Interpretation of the Electrocardiogram, Circulation 119 (2009): Surawicz
et al. for conduction, Wagner et al. for ST elevation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecg_core.errors import DataError
from ecg_preproc.synthesis.dipole import Wave

__all__ = [
    "CONDITIONS",
    "ECTOPIC",
    "MIXES",
    "P_WAVES",
    "TERRITORIES",
    "Condition",
    "Conduction",
    "Heart",
    "Territory",
    "combine",
]

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Conduction:
    """How excitation spreads through the ventricles and fades.

    Args:
        qrs: Waves of the QRS, anchored at the R peak.
        onset: First moment of the QRS, ms after the R peak.
        offset: Last moment of the QRS (the J point), ms after the R peak.
        t: The T wave, of amplitude only; its time follows from QT.
        stretch: Range of the factor by which patients' QRS is longer.
    """

    qrs: tuple[Wave, ...]
    onset: float
    offset: float
    t: tuple[float, float, float]
    stretch: Range = (0.92, 1.08)


@dataclass(frozen=True, kw_only=True)
class Territory:
    """Where the injury current of a myocardial infarction points.

    Args:
        direction: Axes of the ST vector (left, feet, back).
        needs: Elevation in mV that each of its leads must reach at least.
    """

    direction: tuple[float, float, float]
    needs: dict[str, float]


# Depolarisation of the atria, right then left, anchored at its onset: upright in II, biphasic in V1, 100 ms long.
P_WAVES = (Wave(38, 15, 16, 0.055, 0.085, -0.055), Wave(66, 16, 15, 0.085, 0.055, 0.055))

# Septum (to the right and front: q in I and V6, r in V1), free wall, its posterior part (S in V1-V3), and base.
_NORMAL = Conduction(
    qrs=(
        Wave(-21, 8, 8, -0.16, -0.04, -0.30),
        Wave(0, 9, 9, 1.05, 0.86, -0.08),
        Wave(16, 9, 9, 0.35, 0.14, 0.88),
        Wave(32, 8, 9, -0.16, -0.10, 0.22),
    ),
    onset=-42,
    offset=54,
    t=(0.30, 0.18, -0.12),
)

# No septal q: the septum is crossed from the right; the free wall follows slowly, in two humps to the left and back.
_LBBB = Conduction(
    qrs=(
        Wave(-32, 15, 15, 0.28, 0.14, 0.22),
        Wave(-4, 16, 15, 0.82, 0.30, 0.54),
        Wave(16, 12, 12, 0.0, 0.0, 0.26),
        Wave(36, 15, 17, 0.92, 0.24, 0.86),
        Wave(62, 14, 15, 0.30, 0.02, 0.32),
    ),
    onset=-66,
    offset=94,
    t=(-0.27, -0.06, -0.40),
    stretch=(0.90, 1.06),
)

# A normal beginning, then the right ventricle late and alone: to the right and front.
_RBBB = Conduction(
    qrs=(
        Wave(-22, 7, 7, -0.16, -0.04, -0.28),
        Wave(0, 9, 10, 1.00, 0.82, 0.05),
        Wave(17, 9, 10, 0.30, 0.18, 0.56),
        Wave(56, 15, 16, -0.49, -0.04, -0.62),
        Wave(76, 12, 13, -0.22, -0.04, -0.20),
    ),
    onset=-42,
    offset=104,
    t=(0.27, 0.18, 0.17),
    stretch=(0.92, 1.08),
)

# Beats born in a ventricle: wide and tall, T the other way. From the right outflow tract, and from the left ventricle.
ECTOPIC = (
    Conduction(
        qrs=(Wave(-18, 18, 17, 0.35, 0.85, 0.25), Wave(22, 20, 22, 0.65, 1.20, 1.05)),
        onset=-68,
        offset=86,
        t=(-0.28, -0.42, -0.42),
    ),
    Conduction(
        qrs=(Wave(-18, 18, 17, -0.15, -0.45, -0.75), Wave(22, 20, 22, -0.75, -0.85, -0.85)),
        onset=-68,
        offset=86,
        t=(0.28, 0.36, 0.38),
    ),
)

# Wagner et al. 2009: elevation at two neighbouring leads of 0.1 mV, in V2 and V3 of 0.2 mV. The opposite leads go down.
TERRITORIES = {
    "anterior": Territory(direction=(0.28, -0.50, -0.95), needs={"V1": 0.1, "V2": 0.2, "V3": 0.2, "V4": 0.1}),
    "inferior": Territory(direction=(-0.15, 0.95, 0.25), needs={"II": 0.1, "III": 0.1, "aVF": 0.1}),
}


@dataclass(frozen=True, kw_only=True)
class Heart:
    """All that diagnoses decide; as it stands, a normal heart.

    Args:
        rate: Beats per minute.
        fibrillates: Whether the atria fibrillate.
        ectopics: Premature ventricular beats in 10 s.
        conduction: Spread of excitation.
        territories: Possible places of an ST elevation.
        limb_mv: QRS peak to peak in the tallest limb lead, mV.
        age: Years, of the patients who have it.
    """

    rate: Range = (63, 96)
    fibrillates: bool = False
    ectopics: tuple[int, int] = (0, 0)
    conduction: Conduction = _NORMAL
    territories: tuple[str, ...] = ()
    limb_mv: Range = (0.95, 1.7)
    age: tuple[int, int] = (20, 80)


@dataclass(frozen=True)
class Condition:
    """One diagnosis.

    Args:
        code: SCP-ECG code.
        description: In words.
        changes: What it changes in a normal :class:`Heart`.
    """

    code: str
    description: str
    changes: Mapping[str, Any]


CONDITIONS = {
    condition.code: condition
    for condition in (
        Condition("NORM", "normal ECG", {}),
        Condition("AFIB", "atrial fibrillation", {"fibrillates": True, "rate": (65, 130), "age": (55, 92)}),
        Condition("SBRAD", "sinus bradycardia", {"rate": (40, 56), "age": (20, 85)}),
        Condition("STACH", "sinus tachycardia", {"rate": (106, 145), "age": (18, 80)}),
        Condition("PVC", "ventricular premature complex", {"ectopics": (1, 4), "age": (30, 85)}),
        Condition("CLBBB", "complete left bundle branch block", {"conduction": _LBBB, "age": (50, 90)}),
        Condition("CRBBB", "complete right bundle branch block", {"conduction": _RBBB, "age": (40, 90)}),
        Condition("STE", "ST elevation", {"territories": tuple(TERRITORIES), "age": (40, 88)}),
        Condition("LVOLT", "low QRS voltage", {"limb_mv": (0.24, 0.38), "age": (35, 90)}),
    )
}

# What patients have, in the proportions of one block of patients: each class in three of them, normal hearts in five.
MIXES: tuple[tuple[str, ...], ...] = (
    *[("NORM",)] * 5,
    *[("AFIB",), ("AFIB", "CLBBB"), ("AFIB", "LVOLT")],
    *[("SBRAD",), ("SBRAD", "CRBBB"), ("SBRAD", "PVC")],
    *[("STACH",), ("STACH", "STE"), ("STACH", "LVOLT")],
    *[("PVC",), ("PVC", "CRBBB")],
    *[("CLBBB",), ("CLBBB",)],
    *[("CRBBB",), ("STE",), ("STE",), ("LVOLT",)],
)


def combine(codes: Sequence[str]) -> Heart:
    """The heart that has all these conditions.

    Raises:
        DataError: A code is unknown, or the conditions contradict each other.
    """
    changes: dict[str, Any] = {}
    for code in codes:
        if code not in CONDITIONS:
            raise DataError(f"no condition {code!r}; there are {', '.join(CONDITIONS)}")
        if code == "NORM" and len(codes) > 1:
            raise DataError(f"NORM cannot be had together with {' and '.join(c for c in codes if c != code)}; leave it out")
        for name, value in CONDITIONS[code].changes.items():
            if name in changes and name != "age":
                both = " and ".join(codes)
                raise DataError(f"the conditions {both} cannot be had together: each sets the {name}; leave one out")
            changes[name] = value
    return Heart(**changes)
