"""How component names are compared and corrected."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = ["comparison_key", "distribution_key", "near_names"]

_IGNORED = str.maketrans("", "", "-_. ")


def comparison_key(name: str) -> str:
    """Two names with the same key are the same name: ``MobileNetV3``, ``mobilenet_v3`` and ``mobilenet-v3``."""
    return name.casefold().translate(_IGNORED)


def distribution_key(name: str) -> str:
    """The normalised name of a distribution (PyPA): ``ECG_TCN`` is ``ecg-tcn``, but ``ecgtcn`` is somebody else's."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def near_names(name: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """Up to ``most`` known names that a reader could have meant, nearest first."""
    by_key = {comparison_key(k): k for k in known}
    return [by_key[key] for key in difflib.get_close_matches(comparison_key(name), by_key, n=most, cutoff=0.6)]
