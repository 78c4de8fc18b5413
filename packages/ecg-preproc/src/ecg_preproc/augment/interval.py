"""A range to draw from, checked where it is given."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["interval"]


def interval(name: str, bounds: Sequence[float], *, least: float = 0.0, most: float = float("inf")) -> tuple[float, float]:
    """``(low, high)`` with ``least ≤ low ≤ high ≤ most``, or one clear error."""
    if not isinstance(bounds, Sequence) or len(bounds) != 2 or not least <= bounds[0] <= bounds[1] <= most:
        upper = f" ≤ {most:g}" if most != float("inf") else ""
        raise ValueError(f"{name} must be (low, high) with {least:g} ≤ low ≤ high{upper}, got {bounds!r}")
    return float(bounds[0]), float(bounds[1])
