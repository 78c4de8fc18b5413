"""Units of voltage, however they are spelt: how many of one make a millivolt."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ecg_core.errors import DataError

__all__ = ["per_mv"]

# The micro sign and the Greek letter mu look alike and are two characters.
_PER_MV: Mapping[str, float] = MappingProxyType(
    {"mv": 1.0, "v": 1e-3, "uv": 1e3, "\u00b5v": 1e3, "\u03bcv": 1e3, "nv": 1e6, "millivolt": 1.0, "microvolt": 1e3, "volt": 1e-3}
)


def per_mv(unit: str) -> float:
    """How many of ``unit`` make 1 mV; spelling is compared without case.

    Raises:
        DataError: It is no unit of voltage.
    """
    found = _PER_MV.get(unit.strip().casefold())
    if found is None:
        raise DataError(f"the unit is {unit!r}, expected mV, uV, nV or V; a guess would scale every amplitude")
    return found
