"""A number above zero, checked where it is given."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["positive"]

N = TypeVar("N", int, float)


def positive(name: str, value: N) -> N:
    """``value`` itself, finite and above zero, or one clear error."""
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be positive and finite, got {value!r}")
    return value
