"""``ecg plugins list``: imports no plugin, and neither torch nor numpy."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.text import Text

from ecg_core.cli.output import console, tell
from ecg_core.discovery.index import Component, get_index
from ecg_core.discovery.kinds import KINDS
from ecg_core.discovery.summaries import summary

__all__ = ["plugins"]

plugins = App(name="plugins", help="Who is installed, by name.")

Kind = Literal[
    "backbones", "models", "ssl", "transforms", "readers", "heads", "attention", "losses", "optimizers", "schedulers", "commands"
]


@plugins.command(name="list")
def list_plugins(
    *,
    kind: Kind | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """List every component with its provider, version and health.

    Args:
        kind: Only this kind.
        as_json: Print the whole index as JSON.
    """
    index = get_index()
    if as_json:
        found = index.to_dict()
        if kind is not None:
            for plugin in found["plugins"]:
                plugin["components"] = [c for c in plugin["components"] if c["kind"] == kind]
        console.out(json.dumps(found, indent=2), highlight=False)
        return
    for group in [kind] if kind else KINDS:
        components = index.components(group)
        if components:
            _print_group(group, components)
    for component in (c for c in index.components() if c.kind not in KINDS and kind is None):
        tell(f"{component.qualified}: {component.status}, {component.detail}")
    for problem in index.problems:
        tell(f"problem: {problem}")


def _print_group(kind: str, components: tuple[Component, ...]) -> None:
    """One line per component: names, providers and complaints are whole in any terminal, a summary takes what is left."""
    console.print(Text(kind, style="bold"))
    providers = [f"{c.provider} {c.version}" for c in components]
    first, second = max(len(c.name) for c in components), max(map(len, providers))
    for c, provider in zip(components, providers, strict=True):
        note = Text(summary(c)) if c.status == "ok" else Text.assemble((c.status, "red"), ": ", c.detail)
        if c.status == "ok":
            note.truncate(max(1, console.width - first - second - 4), overflow="ellipsis")
        line = Text.assemble(f"{c.name:<{first}}  ", (f"{provider:<{second}}", "dim"), "  ", note)
        line.rstrip()
        console.print(line)
