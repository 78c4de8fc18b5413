"""Which toy breaks which check, and what the failure has to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

C = TypeVar("C")

# Also broken beside the check that is meant: unavoidable consequences, or everything (a class of another kind).
EVERYTHING = "everything"


@dataclass(frozen=True)
class Broken:
    """A toy, and what the failure of its check must say."""

    kind: str
    check: str
    target: Any
    says: str
    also: tuple[str, ...] = ()


TABLE: dict[str, Broken] = {}
HEALTHY: list[tuple[str, Any]] = []


def healthy(kind: str) -> Callable[[C], C]:
    """Register a toy that passes every check."""

    def decorate(target: C) -> C:
        HEALTHY.append((kind, target))
        return target

    return decorate


def broken(kind: str, check: str, says: str, *also: str) -> Callable[[C], C]:
    """Register a toy that fails one check (and ``also``), with a message that holds ``says``."""

    def decorate(target: C) -> C:
        key = f"{kind}:{check}"
        assert key not in TABLE, f"{key} stands in the table twice"
        TABLE[key] = Broken(kind, check, target, says, also)
        return target

    return decorate
