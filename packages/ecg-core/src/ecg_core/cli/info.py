"""``ecg plugins info``: everything about one component or one package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from ecg_core.cli.output import console
from ecg_core.cli.plugins import Kind
from ecg_core.discovery.details import Details, details
from ecg_core.discovery.index import Component, Plugin, get_index, matching
from ecg_core.discovery.kinds import KINDS, singular
from ecg_core.discovery.names import distribution_key, near_names
from ecg_core.discovery.registry import registry_of
from ecg_core.errors import RegistryError, UnknownComponentError

__all__ = ["info"]


def info(
    name: str,
    /,
    *,
    kind: Kind | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Everything about one component, which is imported for it, or about one package, which is not; both if both have the name.

    Args:
        name: A component, plain or as package:name, or a package.
        kind: Where components of several kinds have this name, the one that is meant.
        as_json: Print it as JSON.
    """
    plugin = get_index().plugins.get(distribution_key(name)) if kind is None else None
    components = _meant(name, kind, is_package=plugin is not None)
    if not components and plugin is None:
        raise _unknown(name, kind)
    found = [details(c) for c in components]
    if as_json:
        package = None if plugin is None else asdict(plugin)
        console.out(json.dumps({"package": package, "components": [asdict(d) for d in found]}, indent=2), highlight=False)
        return
    shown = [*(partial(_print, d) for d in found), *([partial(_print_plugin, plugin)] if plugin is not None else [])]
    for number, show in enumerate(shown):
        if number:
            console.print()
        show()


def _meant(name: str, kind: str | None, *, is_package: bool) -> list[Component]:
    """What the name means in each kind that has it: what ``build`` would take, or whatever state it is in."""
    kinds = (kind,) if kind else KINDS
    installed = {k: list(matching(get_index().components(k), name)) for k in kinds}
    if is_package or any(installed.values()):  # asking further would import hook modules, for a name that has a meaning already
        kinds = tuple(k for k in kinds if installed[k])
    found: list[Component] = []
    for k in kinds:
        try:
            found.append(registry_of(k).describe(name))
        except RegistryError:
            found += installed[k]
    return found


def _unknown(name: str, kind: str | None) -> UnknownComponentError:
    index = get_index()
    known = {c.name for c in index.components(kind)} | (set() if kind else set(index.plugins))
    near = near_names(name.rpartition(":")[2], sorted(known))
    hint = f" Did you mean {', '.join(repr(n) for n in near)}?" if near else ""
    what = f"{singular(kind)} named" if kind else "component or package named"
    return UnknownComponentError(f"no {what} '{name}'.{hint} All that are installed: `ecg plugins list`.")


def _print(d: Details) -> None:
    c = d.component
    console.print(Text.assemble((d.signature or c.name, "bold")))
    rows = {
        "kind": singular(c.kind),
        "provider": f"{c.provider} {c.version}".rstrip(),
        "full name": c.qualified,
        "target": c.target,
        "source": f"{d.file}:{d.line}" if d.file else "",
        "status": "" if c.status == "ok" else f"{c.status}: {c.detail}",
        "not imported": d.error,
        "paper": d.paper,
        "shapes": d.shapes,
    }
    _print_rows(rows)
    if d.documentation:
        console.print(Text("\n" + d.documentation))
    if d.parameters:
        console.print(Text("\narguments", style="bold"))
        width = max(len(p.name) for p in d.parameters)
        for p in d.parameters:
            default = "required" if p.default is None else f"default {p.default}"
            console.print(Text.assemble("  ", f"{p.name:<{width}}", "  ", p.annotation or "any", "  ", (default, "dim")))


def _print_plugin(plugin: Plugin) -> None:
    origin = plugin.origin
    console.print(Text(f"{plugin.name} {plugin.version}", style="bold"))
    came = "" if origin is None else f"{origin.url}{' (editable)' if origin.editable else ''}"
    rows = {
        "location": plugin.location,
        "installed from": came if origin is None or origin.commit is None else f"{came} at {origin.commit}",
        "needs ecg-core": plugin.requires_core or "any version (it states none)",
        "hook modules": "\n".join(_in_words(plugin.hooks)),
        "components": "\n".join(_in_words(plugin.components)),
    }
    _print_rows(rows)


def _in_words(components: tuple[Component, ...]) -> Iterator[str]:
    for c in components:
        state = "" if c.status == "ok" else f"  {c.status}: {c.detail}"
        yield f"{c.name} ({singular(c.kind) if c.kind in KINDS else 'hooks'}, {c.target}){state}"


def _print_rows(rows: dict[str, str]) -> None:
    shown = {k: v for k, v in rows.items() if v}
    width = max(map(len, shown))
    for name, value in shown.items():
        lines = value.splitlines()
        console.print(Text.assemble((f"  {name:<{width}}", "dim"), "  ", lines[0]))
        for line in lines[1:]:
            console.print(Text(" " * (width + 4) + line))
