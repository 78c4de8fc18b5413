"""``ecg plugins list``: imports no plugin, and neither torch nor numpy."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.table import Table

from ecg_core.cli.output import console, tell
from ecg_core.discovery.index import KINDS, Component, get_index
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

    Parameters
    ----------
    kind: str
        Only this kind.
    as_json: bool
        Print the whole index as JSON.
    """
    index = get_index()
    if as_json:
        found = index.to_dict()
        if kind is not None:
            for plugin in found["plugins"]:
                plugin["components"] = [c for c in plugin["components"] if c["kind"] == kind]
        tell(json.dumps(found, indent=2))
        return
    for group in [kind] if kind else KINDS:
        components = index.components(group)
        if components:
            console.print(_table(group, components))
    for component in (c for c in index.components() if c.kind not in KINDS and kind is None):
        tell(f"{component.qualified}: {component.status}, {component.detail}")
    for problem in index.problems:
        tell(f"problem: {problem}")


def _table(kind: str, components: tuple[Component, ...]) -> Table:
    table = Table(title=kind, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0), show_header=False)
    for cells, style in (([c.name for c in components], ""), ([_provider(c) for c in components], "dim")):
        table.add_column(no_wrap=True, style=style, min_width=max(map(len, cells)))
    table.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
    for c in components:
        note = summary(c) if c.status == "ok" else f"[red]{c.status}[/]: {c.detail}"
        table.add_row(c.name, _provider(c), note)
    return table


def _provider(component: Component) -> str:
    return f"{component.provider} {component.version}"
