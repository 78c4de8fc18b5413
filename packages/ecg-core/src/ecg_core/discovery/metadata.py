"""Read what installed distributions declare, without importing them. The only user of importlib-metadata."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import importlib_metadata

from ecg_core.discovery.names import distribution_key

__all__ = ["PREFIX", "Declaration", "Distribution", "Origin", "declared_sections", "installed", "version_of"]

PREFIX = "ecg_core."
_NAME = re.compile(r"^Name:\s*(\S+)", re.MULTILINE | re.IGNORECASE)
_VERSION = re.compile(r"^Version:\s*(\S+)", re.MULTILINE | re.IGNORECASE)
_REQUIRES_CORE = re.compile(r"^Requires-Dist:\s*ecg[-_.]core(?![-\w.])(?:\[[^]]*\])?\s*([^;\n]*)", re.MULTILINE | re.IGNORECASE)
_PASSWORD = re.compile(r"(?<=://)[^/@]*@")


@dataclass(frozen=True)
class Declaration:
    """One line of an ``[ecg_core.…]`` section: ``name = target``."""

    group: str
    name: str
    target: str


@dataclass(frozen=True)
class Origin:
    """Where pip installed a distribution from, when that was no index (``direct_url.json``, PEP 610).

    Args:
        url: A folder, an archive or a repository; user names and passwords are left out.
        editable: Whether the installation points at a source tree.
        commit: Revision of a repository.
    """

    url: str
    editable: bool = False
    commit: str | None = None


@dataclass(frozen=True)
class Distribution:
    """An installed distribution that declares something for us."""

    name: str
    version: str
    location: str
    requires_core: str | None
    declarations: tuple[Declaration, ...]
    origin: Origin | None = None
    is_egg: bool = False


def declared_sections(text: str) -> tuple[Declaration, ...]:
    """Our sections of one ``entry_points.txt``, parsed by hand so that a malformed stranger cannot raise."""
    found, group = [], None
    for line in (raw.strip() for raw in text.splitlines()):
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            section = line.strip("[]").strip()
            group = section if section.startswith(PREFIX) else None
        elif group and "=" in line:
            name, _, target = line.partition("=")
            found.append(Declaration(group.removeprefix(PREFIX), name.strip(), target.split("[")[0].strip()))
    return tuple(found)


def installed() -> Iterator[Distribution | tuple[str, str]]:
    """Every distribution with an ``ecg_core.`` section, or ``(where, problem)`` for one that cannot be read."""
    for distribution in _distributions():
        if isinstance(distribution, tuple):
            yield distribution
            continue
        where = str(getattr(distribution, "_path", "?"))
        try:
            text = distribution.read_text("entry_points.txt")
            if not text or PREFIX not in text:
                continue
            # One regular expression each: distribution.metadata parses the whole e-mail-like file at every access.
            # The headers end at the first empty line; below it a description may say anything.
            facts = (distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or "").partition("\n\n")[0]
            name, version, core = (pattern.search(facts) for pattern in (_NAME, _VERSION, _REQUIRES_CORE))
            if name is None or version is None:
                yield where, "its METADATA has no name or version"
                continue
            yield Distribution(
                name=distribution_key(name[1]),
                version=version[1],
                location=str(Path(where).resolve().parent),
                requires_core=core[1].strip().strip("()") if core else None,
                declarations=declared_sections(text),
                origin=_origin(distribution.read_text("direct_url.json")),
                is_egg=where.endswith(".egg-info"),
            )
        except Exception as error:  # a stranger's broken metadata must never take the host down
            yield where, f"its metadata cannot be read ({type(error).__name__}: {error})"


def _origin(text: str | None) -> Origin | None:
    """What ``direct_url.json`` says; a damaged one says nothing."""
    try:
        facts = json.loads(text or "")
        return Origin(
            url=_PASSWORD.sub("", str(facts["url"])),
            editable=bool(facts.get("dir_info", {}).get("editable", False)),
            commit=facts.get("vcs_info", {}).get("commit_id"),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _distributions() -> Iterator[importlib_metadata.Distribution | tuple[str, str]]:
    """Every distribution of every finder; a finder that raises costs its own distributions only."""
    for finder in list(sys.meta_path):
        find = getattr(finder, "find_distributions", None)
        if find is None:
            continue
        try:
            yield from find(importlib_metadata.DistributionFinder.Context())
        except Exception as error:
            where = f"{type(finder).__module__}.{type(finder).__qualname__}"
            yield where, f"it cannot list distributions ({type(error).__name__}: {error})"


def version_of(distribution: str) -> str | None:
    """Version of an installed distribution, ``None`` if it is not installed."""
    try:
        return str(importlib_metadata.version(distribution))
    except importlib_metadata.PackageNotFoundError:
        return None
