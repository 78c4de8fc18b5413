"""The hooks a plugin may implement, and the small things they give and take. docs/hooks.md is their manual.

Every hook is called once for each plugin that implements it, in a fixed order, and apart from the others: what one of them
raises costs nobody else anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pluggy

if TYPE_CHECKING:
    from ecg_core.run.run import Run

__all__ = [
    "HOOK_NAMES", "Alias", "Diagnostic", "EventName", "RunEvent", "ecg_aliases", "ecg_doctor", "ecg_migrate_config",
    "ecg_register_components", "ecg_run_event", "hookimpl",
]  # fmt: skip

hookspec = pluggy.HookspecMarker("ecg_core")
hookimpl = pluggy.HookimplMarker("ecg_core")


EventName = Literal["start", "step", "epoch", "checkpoint", "end", "failure"]


@dataclass(frozen=True)
class Alias:
    """An old name of a component, which works with a ``FutureWarning`` until a version of its provider removes it.

    Args:
        kind: Such as ``"backbones"``.
        old: The name that is going away.
        new: The name to use; ``"provider:name"`` where it should be that provider's.
        since: Version of the provider that renamed it.
        remove_in: Version of the provider that no longer knows the old name.
    """

    kind: str
    old: str
    new: str
    since: str
    remove_in: str


@dataclass(frozen=True)
class Diagnostic:
    """One finding of ``ecg doctor``: ``ok``, ``note`` (something optional is absent) or ``problem``."""

    level: Literal["ok", "note", "problem"]
    message: str


@dataclass(frozen=True)
class RunEvent:
    """What just happened in a training run.

    Args:
        name: ``"start"``, ``"step"``, ``"epoch"`` (after validation), ``"checkpoint"``, ``"end"`` or ``"failure"``.
        step: Optimizer steps done.
        epoch: Epochs done.
        numbers: The line of ``metrics.jsonl`` of a step or an epoch; empty for the others.
        message: Why it failed; empty otherwise.
    """

    name: EventName
    step: int
    epoch: int
    numbers: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""


@hookspec
def ecg_register_components(register: Callable[[str, str, str], None]) -> None:
    """Name components that are only known at run time: ``register("backbones", "tcn_9", "ecg_tcn.model:tcn_9")``."""


@hookspec
def ecg_aliases() -> Iterable[Alias]:  # type: ignore[empty-body]
    """Old names of your components and what they are called now."""


@hookspec
def ecg_doctor() -> Iterable[Diagnostic]:  # type: ignore[empty-body]
    """What ``ecg doctor`` should say about the parts of a machine that only you know about."""


@hookspec
def ecg_run_event(run: Run, event: RunEvent) -> None:
    """Watch a training run: loggers, notebooks, alarms."""


@hookspec
def ecg_migrate_config(kind: str, name: str, config: Mapping[str, Any], from_version: str) -> Mapping[str, Any] | None:
    """Bring the saved configuration of one of your own components up to date; ``None`` leaves it as it is."""


HOOK_NAMES = ("ecg_register_components", "ecg_aliases", "ecg_doctor", "ecg_run_event", "ecg_migrate_config")
