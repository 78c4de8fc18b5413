"""Log: the watchers of ours that a run asks for by name; they hear what the plugins hear, by the same hook."""

from __future__ import annotations

import os
from typing import Literal, cast

from ecg_core import __version__
from ecg_core.discovery.index import Component
from ecg_core.discovery.manager import PluginManager, plugin_manager
from ecg_core.errors import ConfigError
from ecg_core.run.inference.exported import needed

__all__ = ["Log", "check_log", "log_of_shell", "logging_hooks"]

Log = Literal["tensorboard"]

# The hook module, and the package it cannot do without.
_LOGS = {"tensorboard": ("ecg_core.run.tensorboard_events", "tensorboard")}


def check_log(log: str | None) -> None:
    """Before anything is trained: is there such a log, and what it needs?

    Raises:
        ConfigError: There is no such log.
        MissingExtraError: Its package is not installed; the install line is given.
    """
    if log is None:
        return
    if log not in _LOGS:
        raise ConfigError(f"log must be one of {', '.join(_LOGS)}, got {log!r}")
    needed(_LOGS[log][1])


def log_of_shell() -> Log | None:
    """What ``ECG_LOG`` asks of every command; nothing where it is empty.

    Raises:
        ConfigError: There is no such log.
        MissingExtraError: Its package is not installed; the install line is given.
    """
    log = os.environ.get("ECG_LOG") or None
    check_log(log)
    return cast("Log | None", log)


def logging_hooks(log: str) -> PluginManager:
    """The manager of this process, with the log among its hook modules; what it raises costs no run anything.

    Raises:
        ConfigError: There is no such log.
        MissingExtraError: Its package is not installed; the install line is given.
    """
    check_log(log)
    manager = plugin_manager()
    hook = Component("plugins", log, _LOGS[log][0], "ecg-core", __version__)
    if not manager.has_plugin(hook.qualified):
        manager.admit(hook)
    return manager
