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
_AGE_RE = re.compile(r"(>?)\s*(\d{1,3}(?:\.\d*)?)(\+?)\s*(?:y|yrs?|years?)?\.?", re.ASCII | re.IGNORECASE)
_CODES_RE = re.compile(r"\d+(?:\s+\d+)+", re.ASCII)


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

    Of diagnoses all lines count. They are set apart by commas or semicolons, codes of digits also by blanks.

    >>> facts_of(["Age: 63", "Sex: Female", "Dx: AFIB,CLBBB"])
    HeaderFacts(patient_id=None, age=63.0, sex='F', dx=('AFIB', 'CLBBB'))
    """
    said: dict[str, str] = {}
    diagnosed: list[str] = []
    for comment in comments:
        if found := _LINE_RE.fullmatch(comment):
            word = found[1].lower()
            said.setdefault("patient" if word.startswith("patient") else word, found[2].strip())
            if word == "dx":
                diagnosed += found[2].replace(";", ",").split(",")
    patient = said.get("patient", "")
    codes = (code for some in map(str.strip, diagnosed) for code in (some.split() if _CODES_RE.fullmatch(some) else [some]))
    return HeaderFacts(
        patient_id=None if patient.casefold() in _UNKNOWN else patient,
        age=_age(said.get("age", "")),
        sex=_SEXES.get(said.get("sex", said.get("gender", "")).casefold()),
        dx=None if "dx" not in said else tuple(dict.fromkeys(code for code in codes if code.casefold() not in _UNKNOWN)),
    )


def _age(text: str) -> float | None:
    # -1 and 300 are placeholders for "unknown" and "older than 89" in several data sets; neither is an age.
    found = _AGE_RE.fullmatch(text)
    if found is None or not 0 <= float(found[2]) <= 150:
        return None
    # Where the very old are hidden among each other, as in >89, they are kept as the youngest they can be.
    return float(found[2]) + (1.0 if found[1] else 0.0)
