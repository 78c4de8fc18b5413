"""The plugin manager where there is anything to manage: pluggy is not imported for people whose packages ship no hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecg_core.discovery.index import get_index

if TYPE_CHECKING:
    from ecg_core.discovery.manager import PluginManager

__all__ = ["installed_hooks"]


def installed_hooks() -> PluginManager | None:
    """The manager of this process, or ``None`` if no installed package ships a hook module."""
    if not get_index().hooks():
        return None
    from ecg_core.discovery.manager import plugin_manager

    return plugin_manager()
