"""What header comments tell about the patient: ``# Age: 63``, ``# Sex: Female``, ``# Dx: 426783006,284470004``.

The spellings are those of the PhysioNet/CinC Challenges, PTB, LUDB (``#<age>: 53``) and ECG-ID. What is not there stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["HeaderFacts", "facts_of"]

_LINE_RE = re.compile(r"<?\s*(age|sex|gender|dx|patient|patient[ _]?id)\s*>?\s*:\s*(.*)", re.IGNORECASE)
_SEXES: dict[str, Literal["F", "M"]] = {"f": "F", "female": "F", "m": "M", "male": "M"}
_UNKNOWN = frozenset({"", "?", "unknown", "nan", "n/a", "none"})


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """Facts from comments.

    Args:
        patient_id: Whose heart it is.
        age: Years.
        sex: ``"F"`` or ``"M"``.
        dx: Diagnosis codes; ``None`` when the header has no such line, ``()`` when it names none.
    """

    patient_id: str | None = None
    age: float | None = None
    sex: Literal["F", "M"] | None = None
    dx: tuple[str, ...] | None = None


def facts_of(comments: Iterable[str]) -> HeaderFacts:
    """Facts that comment lines (without ``#``) state as ``name: value``; the first line of each kind counts.

    >>> facts_of(["Age: 63", "Sex: Female", "Dx: AFIB,CLBBB"])
    HeaderFacts(patient_id=None, age=63.0, sex='F', dx=('AFIB', 'CLBBB'))
    """
    said: dict[str, str] = {}
    for comment in comments:
        if found := _LINE_RE.fullmatch(comment):
            word = found[1].lower()
            said.setdefault("patient" if word.startswith("patient") else word, found[2].strip())
    patient = said.get("patient", "")
    codes = (code.strip() for code in said["dx"].split(",")) if "dx" in said else None
    return HeaderFacts(
        patient_id=None if patient.casefold() in _UNKNOWN else patient,
        age=_age(said.get("age", "")),
        sex=_SEXES.get(said.get("sex", said.get("gender", "")).casefold()),
        dx=None if codes is None else tuple(dict.fromkeys(code for code in codes if code.casefold() not in _UNKNOWN)),
    )


def _age(text: str) -> float | None:
    # -1 and 300 are placeholders for "unknown" and "older than 89" in several data sets; neither is an age.
    try:
        age = float(text.removesuffix("years").strip())
    except ValueError:
        return None
    return age if 0 <= age <= 150 else None
