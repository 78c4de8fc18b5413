"""Versions as far as provenance looks at them: the minor one, which is where 0.x may change what a component does."""

from __future__ import annotations

import re

__all__ = ["minor", "newer", "pip_line"]


def minor(version: str) -> tuple[int, int] | None:
    """Major and minor number; ``None`` for what is no version."""
    found = re.match(r"v?(?:\d+!)?(\d+)(?:\.(\d+))?", version)
    return None if found is None else (int(found[1]), int(found[2] or 0))


def newer(here: str, then: str) -> bool:
    """Whether the minor version here is newer than the one of then."""
    return (minor(here) or (0, 0)) > (minor(then) or (0, 0))


def pip_line(provider: str, version: str) -> str:
    """The command that installs a package in the minor version a model was saved with."""
    numbers = minor(version)
    if numbers is None or re.search(r"[a-z]", version.partition("+")[0]):  # a pre-release is asked for by its exact name
        return f"pip install '{provider}=={version}'"
    major, least = numbers
    return f"pip install '{provider}>={major}.{least},<{major}.{least + 1}'"
