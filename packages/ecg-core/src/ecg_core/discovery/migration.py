"""Migration: a newer package brings the saved configuration of one of its own components up to date."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ecg_core.config.plain import plain
from ecg_core.discovery.configuration import check_kinds
from ecg_core.discovery.index import Component, get_index
from ecg_core.discovery.installed_hooks import installed_hooks
from ecg_core.discovery.kinds import singular
from ecg_core.discovery.versions import pip_line
from ecg_core.errors import CheckpointError, ConfigError

__all__ = ["migrated"]


def migrated(kind: str, config: dict[str, Any], entry: Mapping[str, str], found: Component, where: str) -> dict[str, Any]:
    """The configuration of a component as the newer version of its own provider writes it.

    Args:
        kind: Of the component.
        config: In the words of then, the components inside it in those of today.
        entry: Its provenance.
        found: The component of today.
        where: The file it stands in, for messages.

    Raises:
        CheckpointError: The hook raised, or gave what is no configuration of this kind; how to go back is said.
    """
    saved = {word: value for word, value in config.items() if word != "kind"}
    name = entry["name"].rpartition(":")[2]
    who = (
        f"{where}: {found.provider} {found.version} could not bring the configuration of its {singular(kind)} '{name}' up to date"
    )
    answer = _asked(found.provider, kind, name, plain(saved, name), entry["version"], who)
    if answer is None:
        return config
    try:
        made = plain({"name": config["name"], **answer}, name)
        check_kinds(made)
        if not isinstance(made["name"], str) or made.get("kind", kind) != kind:
            raise ValueError(f"it made one of {made.get('kind', made['name'])!r} of it")
    except (ConfigError, ValueError) as error:
        raise CheckpointError(f"{who} ({error}); {pip_line(found.provider, entry['version'])}") from None
    return {**({"kind": kind} if "kind" in config else {}), **made}


def _asked(provider: str, kind: str, name: str, config: dict[str, Any], version: str, who: str) -> dict[str, Any] | None:
    """What the hook of this provider answers.

    Raises:
        CheckpointError: It raised.
    """
    manager = installed_hooks() if any(hook.provider == provider for hook in get_index().hooks()) else None
    if manager is None:
        return None
    with warnings.catch_warnings():  # what goes wrong is an error here, not a warning
        warnings.simplefilter("ignore")
        before = dict(manager.failures)
        answer = manager.migrate_config(provider, kind, name, config, version)
    for place, failure in manager.failures.items():
        if before.get(place) is not failure and failure.hook.provider == provider:
            raise CheckpointError(f"{who} ({failure.message}); {pip_line(provider, version)}") from failure.cause
    return answer
