"""Without paths: facts of a run as a stranger may read them, with no folder of the machine they were written on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ecg_core.run.directory import RunDirectory
from ecg_core.run.from_hub import HubAddress

__all__ = ["known_paths", "public_run", "without_paths"]

_LEFT_OUT = " (not published with it)"

# A path from the root of a disk, with at least one folder; an address of the web or of the hub is none.
_ABSOLUTE = re.compile(r"(?<![\w:/.~-])(?:[A-Za-z]:[\\/]|/|~/)(?:[^\s\\/:'\"=,;]+[\\/])+[^\s\\/:'\"=,;]*")


def without_paths(value: Any, known: tuple[str, ...] = ()) -> Any:
    """The same with every absolute path cut down to its last part.

    Args:
        value: Plain values, nested as JSON nests them.
        known: Paths that are cut down wherever they stand, whatever signs they hold.
    """
    if isinstance(value, Mapping):
        return {word: without_paths(v, known) for word, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_paths(v, known) for v in value]
    if not isinstance(value, str):
        return value
    for path in sorted((p for p in known if len(p) > 1), key=len, reverse=True):
        if _is_absolute(path):
            value = value.replace(path, _last(path))
    return _ABSOLUTE.sub(lambda found: _last(found[0]), value)


def _is_absolute(path: str) -> bool:
    """Whether a path begins at the root of a disk, of this system or another."""
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()


def known_paths(directory: RunDirectory) -> tuple[str, ...]:
    """The paths a run notes, and its own."""
    facts = directory.facts
    noted = [facts["data"].get("path"), facts.get("source")]
    return tuple(str(p) for p in (directory.path, directory.path.resolve(), *noted) if p)


def public_run(directory: RunDirectory) -> dict[str, Any]:
    """``run.json`` for strangers: the names of the data and of the run it began with, and the packages, but not the machine."""
    facts = dict(directory.facts)
    source = facts.get("source")
    if source and HubAddress.of(source) is None:
        facts["source"] = Path(source).name.removesuffix(_LEFT_OUT) + _LEFT_OUT
    facts["data"] = {**facts["data"], "path": _last(str(facts["data"].get("path") or ""))}
    facts["environment"] = {k: v for k, v in facts.get("environment", {}).items() if k not in ("platform", "threads", "command")}
    cleaned: dict[str, Any] = without_paths(facts, known_paths(directory))
    return cleaned


def _last(path: str) -> str:
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1]
