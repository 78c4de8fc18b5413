"""``ecg plugins``: who is installed, by name, and in what state."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from ecg_core.cli.listing import Wanted, print_plugins

__all__ = ["Kind", "plugins"]

plugins = App(name="plugins", help="Who is installed, by name.")
# Strings: each module is imported when its command runs.
plugins.command("ecg_core.cli.info:info", name="info", help="Everything about one component or one package.")
plugins.command(
    "ecg_core.cli.check:check", name="check", help="Import every plugin in a process of its own and tell what is wrong."
)

Kind = Literal[
    "backbones", "models", "ssl", "transforms", "readers", "heads", "attention", "losses", "optimizers", "schedulers", "commands"
]


@plugins.command(name="list")
def list_plugins(
    *,
    kind: Kind | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    run_time: Annotated[bool, Parameter(name="--all", negative=())] = False,
) -> None:
    """List every component with its provider, version and health.

    Args:
        kind: Only this kind.
        as_json: Print the whole index as JSON.
        run_time: Also what plugins register at run time; imports their hook modules.
    """
    print_plugins(Wanted(kind, as_json, run_time))
