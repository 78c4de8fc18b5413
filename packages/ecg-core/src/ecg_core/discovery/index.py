"""The static index: which components exist, who ships them, and whether they look healthy, without importing them."""

from __future__ import annotations

import importlib
import os
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from ecg_core.discovery.metadata import Declaration, Distribution, installed
from ecg_core.discovery.modules import located
from ecg_core.discovery.names import comparison_key, distribution_key

__all__ = ["FIRST_PARTY", "KINDS", "USABLE", "Component", "Plugin", "PluginIndex", "Status", "get_index"]

KINDS = (
    "backbones", "models", "ssl", "transforms", "readers", "heads", "attention",
    "losses", "optimizers", "schedulers", "commands",
)  # fmt: skip
FIRST_PARTY = ("ecg-core", "ecg-backbones", "ecg-preproc", "ecg-ssl")

Status = Literal["ok", "missing", "invalid", "unknown-kind", "incompatible", "conflict", "shadowed", "duplicate", "blocked"]

# A clash is settled when a name is resolved: a qualified name or a preference still reaches these.
USABLE: tuple[Status, ...] = ("ok", "shadowed", "conflict")

_TARGET = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")
_SCHEMA = 1


@dataclass(frozen=True)
class Component:
    """One name that somebody ships."""

    kind: str
    name: str
    target: str
    provider: str
    version: str
    status: Status = "ok"
    detail: str = ""

    @property
    def qualified(self) -> str:
        """``provider:name``, which is unambiguous everywhere a name is accepted."""
        return f"{self.provider}:{self.name}"


@dataclass(frozen=True)
class Plugin:
    """One installed distribution with its components."""

    name: str
    version: str
    location: str
    requires_core: str | None
    hooks: str | None
    components: tuple[Component, ...]


@dataclass(frozen=True)
class PluginIndex:
    """All plugins, in a fixed order: ours first, then by name; never by ``sys.path``."""

    plugins: Mapping[str, Plugin]
    problems: tuple[str, ...]

    def components(self, kind: str | None = None) -> tuple[Component, ...]:
        """Every component (of one kind), healthy or not."""
        return tuple(c for p in self.plugins.values() for c in p.components if kind is None or c.kind == kind)

    def find(self, kind: str, name: str) -> tuple[Component, ...]:
        """Usable components whose name compares equal; ``"provider:name"`` restricts the provider."""
        provider, _, plain = name.rpartition(":")
        key = comparison_key(plain)
        return tuple(
            c
            for c in self.components(kind)
            if comparison_key(c.name) == key and (not provider or c.provider == distribution_key(provider)) and c.status in USABLE
        )

    def to_dict(self) -> dict[str, Any]:
        """The index for ``--json``."""
        return {
            "schema": _SCHEMA,
            "plugins": [
                {
                    "name": p.name,
                    "version": p.version,
                    "location": p.location,
                    "requires_core": p.requires_core,
                    "hooks": p.hooks,
                    "components": [
                        {"kind": c.kind, "name": c.name, "target": c.target, "status": c.status, "detail": c.detail}
                        for c in p.components
                    ],
                }
                for p in self.plugins.values()
            ],
            "problems": list(self.problems),
        }


_lock = threading.Lock()
_cached: PluginIndex | None = None


def get_index(*, refresh: bool = False) -> PluginIndex:
    """The index of this process. One scan, thread-safe; ``refresh=True`` sees what was installed since."""
    global _cached
    with _lock:
        if refresh:
            importlib.invalidate_caches()
        if _cached is None or refresh:
            _cached = _scan()
        return _cached


def _scan() -> PluginIndex:
    first: dict[str, Distribution] = {}
    problems = []
    for found in installed():
        if isinstance(found, tuple):
            problems.append(f"{found[0]}: {found[1]}")
        elif found.name not in first:
            first[found.name] = found
        elif first[found.name].location != found.location:
            problems.append(
                f"{found.name} is installed twice; {found.location} ({found.version}) is hidden by {first[found.name].location}"
            )
    order = sorted(first.values(), key=lambda d: (d.name not in FIRST_PARTY, d.name))
    core = first["ecg-core"].version if "ecg-core" in first else None
    plugins = [_plugin(d, core) for d in order]
    return PluginIndex(MappingProxyType({p.name: p for p in _mark_clashes(plugins)}), tuple(sorted(problems)))


def _plugin(distribution: Distribution, core: str | None) -> Plugin:
    hooks = next((d.target for d in distribution.declarations if d.group == "plugins"), None)
    components: list[Component] = []
    for d in distribution.declarations:
        if d.group == "plugins":
            continue
        status, detail = _health(d, distribution, core)
        if any(c.kind == d.group and comparison_key(c.name) == comparison_key(d.name) for c in components):
            status, detail = "duplicate", f"{distribution.name} declares this name twice; the first one counts"
        components.append(Component(d.group, d.name, d.target, distribution.name, distribution.version, status, detail))
    components.sort(key=lambda c: (KINDS.index(c.kind) if c.kind in KINDS else len(KINDS), c.name))
    return Plugin(
        distribution.name, distribution.version, distribution.location, distribution.requires_core, hooks, tuple(components)
    )


def _health(declared: Declaration, distribution: Distribution, core: str | None) -> tuple[Status, str]:
    if _is_blocked(distribution.name):
        return "blocked", "by ECG_PLUGINS or ECG_PLUGINS_BLOCK"
    if declared.group not in KINDS:
        return "unknown-kind", f"'{declared.group}' is none of {', '.join(KINDS)}"
    if not _TARGET.match(declared.target):
        return "invalid", f"'{declared.target}' is not 'module:Class'"
    if core and distribution.requires_core and not _admits(distribution.requires_core, core):
        return "incompatible", f"needs ecg-core {distribution.requires_core}, installed is {core}"
    module = declared.target.partition(":")[0]
    if located(module) is None:
        return "missing", f"module {module} is not found; reinstall {distribution.name}"
    return "ok", ""


def _is_blocked(provider: str) -> bool:
    if provider in FIRST_PARTY:
        return False
    allowed = os.environ.get("ECG_PLUGINS")
    blocked = _listed(os.environ.get("ECG_PLUGINS_BLOCK", ""))
    return provider in blocked or (allowed is not None and provider not in _listed(allowed))


def _listed(value: str) -> set[str]:
    return {distribution_key(part) for part in value.split(",") if part.strip()}


def _admits(specifier: str, version: str) -> bool:
    """Whether ``>=0.1,<0.2`` admits a version; a clause of another form is not judged."""

    def numbers(text: str) -> tuple[int, ...]:
        parts = [int(n) for n in re.findall(r"\d+", text)]
        return tuple(parts + [0] * (4 - len(parts)))

    tests = {
        ">=": lambda a, b: a >= b,
        "<=": lambda a, b: a <= b,
        "==": lambda a, b: a == b,
        ">": lambda a, b: a > b,
        "<": lambda a, b: a < b,
    }
    for clause in specifier.split(","):
        match = re.match(r"^\s*(>=|<=|==|>|<)\s*([\d.]+)\s*$", clause)
        if match and not tests[match[1]](numbers(version), numbers(match[2])):
            return False
    return True


def _mark_clashes(plugins: Iterable[Plugin]) -> list[Plugin]:
    """Names that several distributions ship: ours wins and hides the others; between strangers it is a conflict."""
    plugins = list(plugins)
    providers: dict[tuple[str, str], list[str]] = {}
    for component in (c for p in plugins for c in p.components if c.status == "ok"):
        providers.setdefault((component.kind, comparison_key(component.name)), []).append(component.provider)

    def marked(c: Component) -> Component:
        names = providers.get((c.kind, comparison_key(c.name)), [])
        others = [n for n in names if n != c.provider]
        if c.status != "ok" or not others:
            return c
        ours = [n for n in names if n in FIRST_PARTY]
        if not ours:
            return _with(c, "conflict", f"also shipped by {', '.join(others)}")
        return c if c.provider in ours else _with(c, "shadowed", f"'{c.name}' is {ours[0]}'s; write '{c.qualified}'")

    return [Plugin(p.name, p.version, p.location, p.requires_core, p.hooks, tuple(map(marked, p.components))) for p in plugins]


def _with(c: Component, status: Status, detail: str) -> Component:
    return Component(c.kind, c.name, c.target, c.provider, c.version, status, detail)
