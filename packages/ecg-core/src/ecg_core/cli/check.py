"""``ecg plugins check``: import every plugin in a process of its own and tell what is wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Sized
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.text import Text

from ecg_core.cli.output import console, tell, working
from ecg_core.discovery.checking import Checked, Finding, check_plugins, chosen_plugins
from ecg_core.discovery.index import get_index
from ecg_core.errors import ConfigError

if TYPE_CHECKING:
    from ecg_core.testing.outcome import Outcome

__all__ = ["check"]


def check(
    *distributions: str,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    timeout: float = 120.0,
    conformance: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Import every plugin in a process of its own and tell what is wrong. Exit code 1 if anything is.

    Args:
        distributions: Names of packages; all that are installed if none is given.
        as_json: Print everything as JSON.
        timeout: Seconds one import may take.
        conformance: Also run the contract kit over every component; takes minutes.
    """
    if not timeout > 0:
        raise ConfigError(f"--timeout expects a positive number of seconds, got {timeout:g}")
    plugins = chosen_plugins(distributions)
    with working("checking") as update:
        found = check_plugins(plugins, timeout=timeout, jobs=min(4, os.cpu_count() or 1), done=update)
    kit: dict[str, Outcome] = {}
    if conformance:
        from ecg_core.testing.kit import run_conformance

        with working("contract kit") as update:
            for number, plugin in enumerate(plugins):
                update(number, len(plugins))
                kit[plugin.name] = run_conformance(plugin.name)
    problems = () if distributions else get_index().problems
    failed = bool(problems) or any(c.failed for c in found) or not all(outcome.ok for outcome in kit.values())
    if as_json:
        _print_json(found, kit, problems)
    else:
        for checked in found:
            _print(checked, kit.get(checked.plugin.name))
        for problem in problems:
            console.print(Text.assemble(("✗", "red"), " ", problem))
        bad = sum(c.failed for c in found)
        tell(f"{len(found) - bad} of {len(found)} packages are sound")
    raise SystemExit(1 if failed else 0)


def _print(checked: Checked, kit: Outcome | None) -> None:
    plugin, seconds = checked.plugin, sum(p.seconds for p in checked.probes)
    failed = checked.failed or (kit is not None and not kit.ok)
    mark = ("✗", "red") if failed else ("·", "yellow") if checked.findings else ("✓", "green")
    facts = f"{_counted(plugin.components, 'component')}, {_counted(plugin.hooks, 'hook module')}, {seconds:.2f} s to import"
    console.print(Text.assemble(mark, " ", (f"{plugin.name} {plugin.version}", "bold"), "  ", (facts, "dim")))
    for finding in checked.findings:
        console.print(_line(finding))
    if kit is not None:
        tell(f"    contract kit: {kit.passed} passed, {kit.failed} failed, {kit.skipped} skipped")
        for name, message in kit.failures:
            console.print(Text.assemble("    ", (name, "red"), "  ", message.strip().splitlines()[0] if message.strip() else ""))


def _counted(things: Sized, word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def _line(finding: Finding) -> Text:
    style = "red" if finding.level == "failure" else "yellow"
    return Text.assemble("    ", finding.where, "  ", (finding.cause, style), ": ", finding.message)


def _print_json(found: list[Checked], kit: dict[str, Outcome], problems: tuple[str, ...]) -> None:
    packages = [
        {
            "name": c.plugin.name,
            "version": c.plugin.version,
            "failed": c.failed,
            "findings": [asdict(f) for f in c.findings],
            "probes": [asdict(p) for p in c.probes],
            "conformance": kit[c.plugin.name].to_dict() if c.plugin.name in kit else None,
        }
        for c in found
    ]
    console.out(json.dumps({"schema": 1, "packages": packages, "problems": list(problems)}, indent=2), highlight=False)
