"""Provenance: which package, in which version, shipped each component of a saved configuration; and what that means today.

``provenance`` notes it when a model is saved. ``current`` reads it when the model is loaded: a package that is absent gives
the line that installs it, another minor version a warning, and a newer one is asked to bring its own configurations up to
date (``ecg_migrate_config``), the innermost components first.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ecg_core.config.plain import is_component
from ecg_core.discovery.configuration import THIS_PROCESS
from ecg_core.discovery.health import USABLE
from ecg_core.discovery.index import Component, get_index, matching
from ecg_core.discovery.kinds import FIRST_PARTY, KINDS, singular
from ecg_core.discovery.migration import migrated
from ecg_core.discovery.registry import registry_of
from ecg_core.discovery.versions import minor, newer, pip_line
from ecg_core.errors import ProvenanceWarning, RegistryError, UnknownComponentError

__all__ = ["check_entries", "current", "provenance"]

Entry = Mapping[str, str]

_FIELDS = ("kind", "name", "provider", "version", "target")


def provenance(kind: str, config: Mapping[str, Any]) -> list[dict[str, str]]:
    """Who ships each component of a configuration, the outermost first, each once."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for inner_kind, inner in _components(kind, config):
        c = registry_of(inner_kind).describe(inner["name"])
        values = (inner_kind, inner["name"], c.provider, c.version, c.target)
        found.setdefault((inner_kind, inner["name"]), dict(zip(_FIELDS, values, strict=True)))
    return list(found.values())


def check_entries(entries: Any) -> None:
    """Whether provenance read from a file is provenance.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(entries, list) or not all(
        isinstance(e, Mapping) and all(isinstance(e.get(word), str) for word in _FIELDS) and e["kind"] in KINDS for e in entries
    ):
        raise ValueError(f"its provenance is a list of {', '.join(_FIELDS)}")


def current(kind: str, config: Mapping[str, Any], entries: Sequence[Entry], where: str) -> dict[str, Any]:
    """A saved configuration in the words of what is installed now.

    A plain name that would lead to another package's component than the one it was saved with becomes ``provider:name``.

    Args:
        kind: Of the outermost component.
        config: As saved; not changed.
        entries: Its provenance; a component without an entry is left to its name.
        where: The file it stands in, for messages.

    Raises:
        UnknownComponentError: A package is absent, blocked, broken, or no longer ships the component; what to do is said.
        CheckpointError: A package failed to migrate its configuration.
    """
    known = {(e["kind"], e["name"]): e for e in entries}
    told: set[str] = set()

    def updated(value: Any, inner_kind: str | None) -> Any:
        if isinstance(value, Mapping):
            inner = {k: updated(v, None) for k, v in value.items()}
            component_kind = inner_kind or (inner["kind"] if is_component(inner) else None)
            return inner if component_kind is None else _component(component_kind, inner, known, where, told)
        return [updated(v, None) for v in value] if isinstance(value, (list, tuple)) else value

    return dict(updated(config, kind))


def _component(
    kind: str, config: dict[str, Any], known: Mapping[tuple[str, str], Entry], where: str, told: set[str]
) -> dict[str, Any]:
    entry = known.get((kind, str(config.get("name"))))
    if entry is None:
        return config
    found = _installed(entry)
    if found.provider == entry["provider"] and ":" in found.name:  # by its qualified name only
        config = {**config, "name": found.name}
    same = found.provider == entry["provider"] or _ours(found.provider, entry["provider"])
    if not same or minor(found.version) == minor(entry["version"]):
        return config
    if found.provider not in told:
        told.add(found.provider)
        _warn(entry, found, where)
    if not newer(found.version, entry["version"]):
        return config
    return migrated(kind, config, entry, found, where)


def _installed(entry: Entry) -> Component:
    """The component an entry means here; named ``provider:name`` where its plain name means another one.

    Raises:
        UnknownComponentError: There is none; the message says why and what to do.
    """
    registry, name = registry_of(entry["kind"]), entry["name"]
    try:
        found = registry.describe(name)
    except RegistryError:
        found = None
    # A class of this process stands in for the one of a package, and a package for what was once a class of a process.
    if found is not None and (
        THIS_PROCESS in (found.provider, entry["provider"])
        or found.provider == entry["provider"]
        or _ours(found.provider, entry["provider"])
    ):
        return found
    try:
        found = registry.describe(f"{entry['provider']}:{name.rpartition(':')[2]}")
    except RegistryError:
        raise UnknownComponentError(_absent(entry)) from None
    return replace(found, name=found.qualified)


def _ours(*providers: str) -> bool:
    """Whether all of them are packages of ours, between which a component may move."""
    return all(provider in FIRST_PARTY for provider in providers)


def _absent(entry: Entry) -> str:
    """Why a component cannot be had, and what to do about it."""
    kind, name, provider, version, target = (entry[word] for word in _FIELDS)
    if provider == THIS_PROCESS:
        module = target.partition(":")[0]
        todo = "define and register it again first" if module == "__main__" else f"import that module first: import {module}"
        return f"the {singular(kind)} '{name}' was registered by {target}; {todo}"
    plugin = get_index().plugins.get(provider)
    if plugin is None:
        return f"built with {provider} {version}, which is not installed: {pip_line(provider, version)}"
    here = next((c for c in matching(plugin.components, name.rpartition(":")[2]) if c.kind == kind), None)
    what = f"built with {provider} {version}; its {singular(kind)} '{name}'"
    if here is None or here.status in USABLE:
        return f"{what} is not in the installed {provider} {plugin.version}: {pip_line(provider, version)}"
    if here.status == "incompatible":
        return f"{what} is incompatible here ({here.detail}): {pip_line(provider, version)}"
    return f"{what} is {here.status} here: {here.detail}"


def _warn(entry: Entry, found: Component, where: str) -> None:
    provider, version = entry["provider"], entry["version"]
    age = "newer" if newer(found.version, version) else "older"
    warnings.warn(
        f"{where} was saved with {provider} {version}, and the {found.provider} {found.version} installed here is {age}: results "
        f"may differ; for those of then, {pip_line(provider, version)}",
        ProvenanceWarning,
        stacklevel=2,
    )


def _components(kind: str | None, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        if kind is not None or is_component(value):
            yield kind or value["kind"], value
        for inner in value.values():
            yield from _components(None, inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _components(None, inner)
