"""Names of ECG leads: canonical spelling, and the four limb leads that follow from I and II."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from ecg_core.errors import DataError

__all__ = ["INDEPENDENT_8", "STANDARD_12", "canonical_lead", "canonical_leads", "common_leads", "limb_lead_weights"]

STANDARD_12 = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
INDEPENDENT_8 = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

_SPELLINGS = {lead.casefold(): lead for lead in (*STANDARD_12, "V7", "V8", "V9", "V3R", "V4R", "X", "Y", "Z", "MLII")}

# Einthoven (III = II - I) and Goldberger; each row is (weight of I, weight of II).
_LIMB = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}


def canonical_lead(name: str) -> str:
    """The field's spelling of a lead (``AVR`` and ``avr`` become ``aVR``); an unknown name is kept as it is."""
    stripped = name.strip()
    return _SPELLINGS.get(stripped.casefold(), stripped)


def canonical_leads(names: Iterable[str]) -> tuple[str, ...]:
    """Canonical spelling of several leads; empty or duplicated names are an error."""
    if isinstance(names, str):
        raise DataError(f"leads must be a sequence of names, got the string {names!r}; write ({names!r},)")
    return _canonical(tuple(names))


@lru_cache(maxsize=1024)  # the same names stand in all recordings of a data set
def _canonical(names: tuple[str, ...]) -> tuple[str, ...]:
    leads = tuple(canonical_lead(name) for name in names)
    if not leads or not all(leads):
        raise DataError(f"every lead needs a name, got {leads!r}; name the leads in the header or pass leads=…")
    duplicated = sorted({lead for lead in leads if leads.count(lead) > 1})
    if duplicated:
        raise DataError(f"lead names must be unique, got {', '.join(duplicated)} more than once in {leads}")
    return leads


def common_leads(recordings: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The standard twelve, or of recordings of few leads those that all have, in the order of the first.

    A recording of eight of the standard twelve is one of twelve leads, whichever are missing.
    """
    each = [canonical_leads(leads) for leads in recordings]
    if not each or any(len(set(STANDARD_12) & set(leads)) >= len(INDEPENDENT_8) for leads in each):
        return STANDARD_12
    shared = set(each[0]).intersection(*each[1:])
    return tuple(lead for lead in each[0] if lead in shared) or STANDARD_12


def limb_lead_weights(lead: str) -> tuple[float, float] | None:
    """``(weight of I, weight of II)`` of a derivable limb lead, ``None`` for every other lead."""
    return _LIMB.get(lead)
