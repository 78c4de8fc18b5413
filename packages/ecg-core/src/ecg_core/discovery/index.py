"""The static index: which components exist, who ships them, and whether they look healthy, without importing them."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from ecg_core.discovery.health import HOOKS, USABLE, Status, health
from ecg_core.discovery.kinds import FIRST_PARTY, KINDS
from ecg_core.discovery.metadata import Distribution, Origin, installed
from ecg_core.discovery.names import comparison_key, distribution_key
from ecg_core.discovery.preferences import preferences
from ecg_core.discovery.staleness import stale_declarations
from ecg_core.discovery.torch_backends import ask_again
from ecg_core.discovery.versions import numbers
from ecg_core.errors import ConfigError, PluginError

__all__ = ["Component", "Plugin", "PluginIndex", "get_index", "refresh"]

_SCHEMA = 2


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

    @property
    def module(self) -> str:
        """The module that has to be imported."""
        return self.target.partition(":")[0]

    @property
    def broken(self) -> bool:
        """Whether it cannot be had by any name, and nobody asked for that."""
        return self.status not in (*USABLE, "blocked")


@dataclass(frozen=True)
class Plugin:
    """One installed distribution with its components.

    Args:
        name: Normalised name.
        version: As installed.
        location: The folder its modules are in.
        requires_core: The range of ecg-core it was written for; ``None`` if it states none.
        origin: Where it was installed from, when that was no index.
        hooks: Its hook modules, as components of the kind ``"plugins"``.
        components: What it ships.
    """

    name: str
    version: str
    location: str
    requires_core: str | None = None
    origin: Origin | None = None
    hooks: tuple[Component, ...] = ()
    components: tuple[Component, ...] = ()

    @property
    def unhealthy(self) -> tuple[Component, ...]:
        """Components and hook modules that are not ``"ok"``."""
        return tuple(c for c in (*self.hooks, *self.components) if c.status != "ok")


@dataclass(frozen=True)
class PluginIndex:
    """All plugins, in a fixed order: ours first, then by name; never by ``sys.path``."""

    plugins: Mapping[str, Plugin]
    problems: tuple[str, ...]

    def components(self, kind: str | None = None) -> tuple[Component, ...]:
        """Every component (of one kind), healthy or not."""
        return tuple(c for p in self.plugins.values() for c in p.components if kind is None or c.kind == kind)

    def hooks(self) -> tuple[Component, ...]:
        """Every hook module, healthy or not."""
        return tuple(hook for p in self.plugins.values() for hook in p.hooks)

    def find(self, kind: str, name: str) -> tuple[Component, ...]:
        """Usable components whose name compares equal; ``"provider:name"`` restricts the provider."""
        return tuple(matching((c for c in self.components(kind) if c.status in USABLE), name))

    def insist_on_health(self) -> None:
        """Called before a component is loaded, and by nobody who only looks: what is wrong must stay visible.

        Raises:
            PluginError: ``ECG_PLUGINS_STRICT=1`` is set, and something about an installed plugin is wrong.
        """
        if os.environ.get("ECG_PLUGINS_STRICT", "0") in ("", "0"):
            return
        wrong = [*self.problems]
        unhealthy = (c for p in self.plugins.values() for c in p.unhealthy if c.status != "blocked")
        wrong += [f"{c.qualified} ({c.kind}) is {c.status}: {c.detail}" for c in unhealthy]
        if wrong:
            more = f" (and {len(wrong) - 1} more: `ecg plugins check`)" if len(wrong) > 1 else ""
            raise PluginError(f"ECG_PLUGINS_STRICT is set, and {wrong[0]}{more}")

    def to_dict(self) -> dict[str, Any]:
        """The index for ``--json``."""

        def entry(c: Component) -> dict[str, str]:
            return {"kind": c.kind, "name": c.name, "target": c.target, "status": c.status, "detail": c.detail}

        return {
            "schema": _SCHEMA,
            "plugins": [
                {
                    "name": p.name,
                    "version": p.version,
                    "location": p.location,
                    "requires_core": p.requires_core,
                    "origin": None if p.origin is None else asdict(p.origin),
                    "hooks": [entry(c) for c in p.hooks],
                    "components": [entry(c) for c in p.components],
                }
                for p in self.plugins.values()
            ],
            "problems": list(self.problems),
        }


def matching(components: Iterable[Component], name: str) -> Iterator[Component]:
    """The components a name, plain or ``"provider:name"``, can mean."""
    provider, _, plain = name.rpartition(":")
    key = comparison_key(plain)
    for c in components:
        if comparison_key(c.name) == key and (not provider or c.provider == distribution_key(provider)):
            yield c


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


def refresh() -> PluginIndex:
    """See what was installed, upgraded or removed since this process began, for instance from a notebook cell."""
    ask_again()
    return get_index(refresh=True)


def _scan() -> PluginIndex:
    copies: dict[str, list[Distribution]] = {}
    problems = []
    for found in installed():
        if isinstance(found, tuple):
            problems.append(f"{found[0]}: {found[1]}")
        else:
            copies.setdefault(found.name, []).append(found)
    first = {name: _first(found, problems) for name, found in copies.items()}
    order = sorted(first.values(), key=lambda d: (d.name not in FIRST_PARTY, d.name))
    core = first["ecg-core"].version if "ecg-core" in first else None
    plugins = {p.name: p for p in _mark_clashes([_plugin(d, core) for d in order])}
    index = PluginIndex(MappingProxyType(plugins), ())
    return replace(index, problems=tuple(sorted([*problems, *_misplaced_preferences(index)])))


def _misplaced_preferences(index: PluginIndex) -> Iterator[str]:
    try:
        preferred = preferences()
    except ConfigError as error:
        yield str(error)
        return
    for name, provider in preferred.items():
        if not any(index.find(kind, f"{provider}:{name}") for kind in KINDS):
            yield f"ECG_PREFER prefers {provider} for '{name}', which ships nothing of that name"


def _first(copies: list[Distribution], problems: list[str]) -> Distribution:
    """The copy whose modules Python imports: the one first on the path; in one folder the newest, and a wheel before an egg."""
    folder = copies[0].location
    here = sorted((d for d in copies if d.location == folder), key=lambda d: (not d.is_egg, numbers(d.version)), reverse=True)
    chosen = here[0]
    for other in (d for d in copies if d is not chosen):
        if other.location != folder:
            problems.append(f"{other.name} is installed twice; {other.location} ({other.version}) is hidden by {folder}")
        elif (other.version, other.is_egg) != (chosen.version, chosen.is_egg):
            problems.append(
                f"{other.name} {other.version} has left its metadata in {folder} beside {chosen.version}; "
                f"remove it: pip uninstall {other.name}, then install it again"
            )
    return chosen


def _plugin(distribution: Distribution, core: str | None) -> Plugin:
    stale = stale_declarations(distribution)
    hooks: list[Component] = []
    components: list[Component] = []
    for d in (*distribution.declarations, *(d for d in stale if d not in distribution.declarations)):
        status, detail = health(d, distribution, core)
        if d in stale and status in ("ok", "missing"):
            status, detail = "stale", f"it {stale[d]}"
        if any(c.kind == d.group and comparison_key(c.name) == comparison_key(d.name) for c in (*hooks, *components)):
            status, detail = "duplicate", f"{distribution.name} declares this name twice; the first one counts"
        component = Component(d.group, d.name, d.target, distribution.name, distribution.version, status, detail)
        (hooks if d.group == HOOKS else components).append(component)
    components.sort(key=lambda c: (KINDS.index(c.kind) if c.kind in KINDS else len(KINDS), c.kind, c.name))
    return Plugin(
        name=distribution.name,
        version=distribution.version,
        location=distribution.location,
        requires_core=distribution.requires_core,
        origin=distribution.origin,
        hooks=tuple(hooks),
        components=tuple(components),
    )


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
            return replace(c, status="conflict", detail=f"also shipped by {', '.join(others)}")
        if c.provider in ours:
            return c
        return replace(c, status="shadowed", detail=f"'{c.name}' is {ours[0]}'s; write '{c.qualified}'")

    return [replace(p, components=tuple(map(marked, p.components))) for p in plugins]
