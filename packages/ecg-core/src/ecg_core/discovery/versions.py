"""Versions as far as discovery looks at them: the numbers of a release. A pre-release counts as the release it leads to.

``packaging`` knows more, and importing it takes as long as reading the metadata of a thousand distributions.
"""

from __future__ import annotations

import re

__all__ = ["admits", "minor", "newer", "numbers", "pip_line"]

_RELEASE = re.compile(r"v?(?:\d+!)?(\d+(?:\.\d+)*)")
_CLAUSE = re.compile(r"^\s*(>=|<=|==|!=|~=|>|<)\s*(\d+(?:\.\d+)*)(\.\*)?\s*$")


def numbers(version: str) -> tuple[int, ...]:
    """The release numbers of a version, padded so that versions compare; zeros for what is no version."""
    found = _RELEASE.match(version)
    parts = [int(n) for n in found[1].split(".")] if found else []
    return tuple(parts + [0] * (4 - len(parts)))


def minor(version: str) -> tuple[int, int] | None:
    """Major and minor number, where 0.x may change what a component does; ``None`` for what is no version."""
    return None if _RELEASE.match(version) is None else (numbers(version)[0], numbers(version)[1])


def newer(here: str, then: str) -> bool:
    """Whether the minor version here is newer than the one of then."""
    return (minor(here) or (0, 0)) > (minor(then) or (0, 0))


def admits(specifier: str, version: str) -> bool:
    """Whether ``>=0.1,<0.2`` admits a version; a clause of another form is not judged."""
    here = numbers(version)
    for clause in specifier.split(","):
        match = _CLAUSE.match(clause)
        if match is None:
            continue
        operator, text, wildcard = match.groups()
        there, given = numbers(text), text.count(".") + 1
        same = here[:given] == there[:given] if wildcard else here == there
        admitted = {
            ">=": here >= there,
            "<=": here <= there,
            ">": here > there,
            "<": here < there,
            "==": same,
            "!=": not same,
            "~=": here >= there and here[: given - 1] == there[: given - 1],
        }
        if not admitted[operator]:
            return False
    return True


def pip_line(provider: str, version: str) -> str:
    """The command that installs a package in the minor version a model was saved with."""
    least = minor(version)
    if least is None or re.search(r"[a-z]", version.partition("+")[0]):  # a pre-release is asked for by its exact name
        return f"pip install '{provider}=={version}'"
    return f"pip install '{provider}>={least[0]}.{least[1]},<{least[0]}.{least[1] + 1}'"
