"""SelectLeads and DeriveLeads: leads by name, in a stated order, with the limb leads that follow from I and II.

Einthoven 1913: III = II - I; Goldberger 1942: aVR = -(I + II)/2, aVL = I - II/2, aVF = II - I/2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecg_core.contracts.arrays import namespace
from ecg_core.contracts.transform import Transform
from ecg_core.data.leads import STANDARD_12, canonical_leads, limb_lead_weights
from ecg_core.errors import DataError

__all__ = ["DeriveLeads", "SelectLeads"]

_LIMB = ("III", "aVR", "aVL", "aVF")


class SelectLeads(Transform):
    """These leads, in this order.

    Args:
        leads: Wanted leads.
        derive: Compute absent III, aVR, aVL and aVF from I and II.
        of: Names of the leads of arrays that come without; a Record or Batch, or ``leads=…`` in the call, knows better.

    Shape:
        ``(..., leads, samples)`` to ``(..., len(leads), samples)``.
    """

    def __init__(self, *, leads: Sequence[str], derive: bool = True, of: Sequence[str] | None = None) -> None:
        self.leads = canonical_leads(leads)
        self.derive = derive
        self.of = None if of is None else canonical_leads(of)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """How the contract kit builds it: all twelve, in reverse."""
        reverse = STANDARD_12[::-1]
        return {"arguments": {"leads": list(reverse), "of": list(STANDARD_12)}, "refused": [{"leads": []}, {"leads": ["I", "i"]}]}

    def output_leads(self, leads: tuple[str, ...]) -> tuple[str, ...]:
        return self.leads

    def context(self, *, leads: tuple[str, ...] | None, annotations: Mapping[str, Any]) -> dict[str, Any]:
        return {"names": _named(self, leads, self.of)}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return _rows(x, _checked(x, drawn["names"]), self.leads, derive=self.derive)

    def reach(self, fs: float) -> float:
        return 0.0


class DeriveLeads(Transform):
    """Append the limb leads that follow from I and II and are not there yet.

    Args:
        leads: Which of III, aVR, aVL and aVF to append.
        of: Names of the leads of arrays that come without; a Record or Batch, or ``leads=…`` in the call, knows better.

    Shape:
        ``(..., leads, samples)`` to ``(..., leads + those that were absent, samples)``.
    """

    def __init__(self, *, leads: Sequence[str] = _LIMB, of: Sequence[str] | None = None) -> None:
        self.leads = canonical_leads(leads)
        other = [lead for lead in self.leads if lead not in _LIMB]
        if other:
            raise DataError(f"only {', '.join(_LIMB)} follow from I and II, got {', '.join(other)}; leave it out")
        self.of = None if of is None else canonical_leads(of)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """How the contract kit builds it: among twelve leads nothing is absent."""
        return {"arguments": {"of": list(STANDARD_12)}, "idempotent": True, "refused": [{"leads": ["V1"]}]}

    def output_leads(self, leads: tuple[str, ...]) -> tuple[str, ...]:
        return (*leads, *(lead for lead in self.leads if lead not in leads))

    def context(self, *, leads: tuple[str, ...] | None, annotations: Mapping[str, Any]) -> dict[str, Any]:
        return {"names": _named(self, leads, self.of)}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        names = _checked(x, drawn["names"])
        return _rows(x, names, self.output_leads(names), derive=True)

    def reach(self, fs: float) -> float:
        return 0.0


def _named(transform: Transform, leads: tuple[str, ...] | None, of: tuple[str, ...] | None) -> tuple[str, ...]:
    names = of if leads is None else leads
    if names is None:
        raise DataError(
            f"{type(transform).__name__} goes by lead names: call it with leads=(…) for an array, or build it with of=(…)"
        )
    return names


def _checked(x: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    if x.shape[-2] != len(names):
        raise DataError(f"expected {len(names)} leads ({', '.join(names)}), got a signal of {x.shape[-2]}; name its own leads")
    return names


def _rows(x: Any, names: tuple[str, ...], wanted: tuple[str, ...], *, derive: bool) -> Any:
    """``(windows, names, samples)`` to ``(windows, wanted, samples)``; each lead is made from its own sources alone."""
    rows, missing = [], []
    for lead in wanted:
        weights = limb_lead_weights(lead)
        if lead in names:
            rows.append(x[:, names.index(lead)])
        elif derive and weights is not None and {"I", "II"} <= set(names):
            rows.append(weights[0] * x[:, names.index("I")] + weights[1] * x[:, names.index("II")])
        else:
            missing.append(lead)
    if missing:
        raise DataError(f"there is no lead {', '.join(missing)} (there are {', '.join(names)}); ask for leads there are")
    return namespace(x).stack(rows, axis=1)
