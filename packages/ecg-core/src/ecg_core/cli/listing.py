"""``ecg plugins list``: imports no plugin, and neither torch nor numpy."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import NamedTuple

from ecg_core.discovery.index import Component, get_index
from ecg_core.discovery.installed_hooks import installed_hooks
from ecg_core.discovery.kinds import KINDS
from ecg_core.discovery.summaries import summary

__all__ = ["Wanted", "print_plugins", "understood"]


class Wanted(NamedTuple):
    """The options of the command.

    Args:
        kind: Only this kind; ``None`` for all.
        as_json: The whole index as JSON.
        run_time: Also what hook modules register at run time; imports them.
    """

    kind: str | None = None
    as_json: bool = False
    run_time: bool = False


def understood(words: Sequence[str]) -> Wanted | None:
    """The options in plain words; ``None`` for anything else, which the command line proper then answers.

    The list is what shells, editors and scripts ask for again and again: it does not wait for a parser that takes longer to
    import than everything else together (docs/adr/0010).
    """
    wanted = Wanted()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--json":
            wanted = wanted._replace(as_json=True)
        elif word == "--kind" and rest and rest[0] in KINDS:
            wanted = wanted._replace(kind=rest.pop(0))
        else:
            return None
    return wanted


def print_plugins(wanted: Wanted) -> None:
    """Print what is installed; exit code 0 whatever state it is in."""
    index = get_index()
    dynamic = _registered_at_run_time() if wanted.run_time else ()
    if wanted.as_json:
        found = index.to_dict()
        found["run_time"] = [{"qualified": c.qualified, "kind": c.kind, "target": c.target, "status": c.status} for c in dynamic]
        for plugin in found["plugins"] if wanted.kind is not None else ():
            plugin["components"] = [c for c in plugin["components"] if c["kind"] == wanted.kind]
        print(json.dumps(found, indent=2))
        return
    for kind in (wanted.kind,) if wanted.kind else KINDS:
        components = (*index.components(kind), *(c for c in dynamic if c.kind == kind))
        if components:
            _print_group(kind, components)
    if wanted.kind is not None:
        return
    for c in (c for p in index.plugins.values() for c in p.unhealthy if c.kind not in KINDS):
        print(f"{c.qualified}: {_painted(c.status, 'red')}, {c.detail}")
    for problem in index.problems:
        print(f"problem: {problem}")


def _print_group(kind: str, components: Sequence[Component]) -> None:
    """One line per component: names, providers and complaints are whole in any terminal, a summary takes what is left."""
    print(_painted(kind, "bold"))
    providers = [f"{c.provider} {c.version}" for c in components]
    first, second = max(len(c.name) for c in components), max(map(len, providers))
    room = max(1, shutil.get_terminal_size().columns - first - second - 4)
    for c, provider in zip(components, providers, strict=True):
        if c.status == "ok":
            text = _plain(summary(c))
            note = text if len(text) <= room else text[: room - 1] + "…"
        else:
            note = f"{_painted(c.status, 'red')}: {_plain(c.detail)}"
        print(f"{c.name:<{first}}  {_painted(f'{provider:<{second}}', 'dim')}  {note}".rstrip())


def _registered_at_run_time() -> tuple[Component, ...]:
    manager = installed_hooks()
    return () if manager is None else manager.registered()


def _plain(text: str) -> str:
    """Without control characters: what a stranger wrote must not steer the terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


def _painted(text: str, style: str) -> str:
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{ {'bold': 1, 'dim': 2, 'red': 31}[style] }m{text}\x1b[0m"
