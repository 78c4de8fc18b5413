"""Diagnoses of the PhysioNet/CinC Challenges 2020 and 2021: SNOMED CT codes, what they are called, and how they were scored.

The table, ``snomed.csv``, holds the 133 codes of all public recordings. Challenges: Perez Alday et al. 2020, "Classification of
12-lead ECGs: the PhysioNet/Computing in Cardiology Challenge 2020", Physiological Measurement 41:124003; Reyna et al. 2021,
"Will Two Do? Varying Dimensions in Electrocardiography", Computing in Cardiology 48.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, NamedTuple

__all__ = ["Diagnosis", "Scoring", "Spelling", "classes_of", "diagnoses"]

Scoring = Literal["2020", "2021"]
Spelling = Literal["abbreviation", "snomed"]


class Diagnosis(NamedTuple):
    """One code.

    Args:
        code: SNOMED CT code.
        abbreviation: What the challenges call it, ``"CRBBB"``.
        name: In words.
        scored: The challenges that scored it.
        scored_as: Code of the class that it was scored as: its own, or the other of two that mean the same.
    """

    code: str
    abbreviation: str
    name: str
    scored: frozenset[str]
    scored_as: str


@cache
def diagnoses() -> Mapping[str, Diagnosis]:
    """All known diagnoses by code: the scored ones of 2021 first, each part by abbreviation."""
    text = files("ecg_preproc.readers").joinpath("snomed.csv").read_text(encoding="utf-8")
    lines = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    found = {}
    for line in lines:
        scored = frozenset(year for year in ("2020", "2021") if line[f"scored_{year}"] == "1")
        code = line["code"]
        found[code] = Diagnosis(code, line["abbreviation"], line["name"], scored, line["scored_as"] or code)
    return MappingProxyType(found)


def classes_of(codes: Iterable[str], *, spelling: Spelling, scoring: Scoring | None, scored_only: bool) -> tuple[str, ...]:
    """The classes that codes stand for, each once, in their order.

    Args:
        codes: SNOMED CT codes. One that the table does not know stays what it is.
        spelling: Classes by abbreviation, or by code.
        scoring: The challenge whose classes are meant: two that it scored as one become one. ``None`` keeps every code apart.
        scored_only: Leave out what that challenge did not score, unknown codes included.

    >>> classes_of(["59118001", "713427006", "77"], spelling="abbreviation", scoring="2021", scored_only=False)
    ('CRBBB', '77')
    """
    known, classes = diagnoses(), []
    for code in codes:
        diagnosis = known.get(code)
        if diagnosis is not None and scoring in diagnosis.scored and scoring in known[diagnosis.scored_as].scored:
            diagnosis = known[diagnosis.scored_as]
        if scored_only and (diagnosis is None or scoring not in diagnosis.scored):
            continue
        if diagnosis is None:
            classes.append(code)
        else:
            classes.append(diagnosis.code if spelling == "snomed" else diagnosis.abbreviation)
    return tuple(dict.fromkeys(classes))
