"""Whether a declared component can work, judged without importing it."""

from __future__ import annotations

import os
import re
from typing import Literal

from ecg_core.discovery.kinds import FIRST_PARTY, KINDS
from ecg_core.discovery.metadata import Declaration, Distribution
from ecg_core.discovery.modules import located
from ecg_core.discovery.names import distribution_key
from ecg_core.discovery.versions import admits

__all__ = ["HOOKS", "USABLE", "Status", "health", "reference_health"]

Status = Literal[
    "ok", "missing", "invalid", "unknown-kind", "incompatible", "conflict", "shadowed", "duplicate", "blocked", "stale"
]  # fmt: skip

# A clash is settled when a name is resolved: a qualified name or a preference still reaches these.
USABLE: tuple[Status, ...] = ("ok", "shadowed", "conflict")

HOOKS = "plugins"  # the group of hook modules, which are no components
_DOTTED = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
_CLASS = re.compile(rf"^{_DOTTED}:{_DOTTED}$")
_MODULE = re.compile(rf"^{_DOTTED}(:{_DOTTED})?$")


def health(declared: Declaration, distribution: Distribution, core: str | None) -> tuple[Status, str]:
    """Status and, unless that is ``"ok"``, one sentence about what is wrong and what to do.

    Args:
        declared: One entry point.
        distribution: Who declares it.
        core: Version of the running ecg-core; ``None`` if it is not installed as a distribution.
    """
    if _is_blocked(distribution.name):
        return "blocked", "by ECG_PLUGINS or ECG_PLUGINS_BLOCK"
    status, detail = reference_health(declared.group, declared.name, declared.target, distribution.name)
    if status not in ("unknown-kind", "invalid") and core and not admits(distribution.requires_core or "", core):
        return "incompatible", f"needs ecg-core {distribution.requires_core}, installed is {core}"
    return status, detail


def reference_health(kind: str, name: str, target: str, provider: str) -> tuple[Status, str]:
    """The same of a name and its target alone: is the kind known, the target a reference, its module there?"""
    if kind not in (*KINDS, HOOKS):
        return "unknown-kind", f"'{kind}' is none of {', '.join(KINDS)}"
    if not name or ":" in name:
        return "invalid", f"'{name}' cannot be a name; use letters, digits and '_'"
    pattern, form = (_MODULE, "package.module") if kind == HOOKS else (_CLASS, "module:Class")
    if not pattern.match(target):
        return "invalid", f"'{target}' is not '{form}'"
    module = target.partition(":")[0]
    if located(module) is None:
        return "missing", f"module {module} is not found; reinstall {provider}"
    return "ok", ""


def _is_blocked(provider: str) -> bool:
    if provider in FIRST_PARTY:
        return False
    allowed = os.environ.get("ECG_PLUGINS")
    blocked = _listed(os.environ.get("ECG_PLUGINS_BLOCK", ""))
    return provider in blocked or (allowed is not None and provider not in _listed(allowed))


def _listed(value: str) -> set[str]:
    return {distribution_key(part) for part in value.split(",") if part.strip()}
