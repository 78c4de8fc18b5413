"""Where a module's file is, found without importing it or any of its parents; and what a target leads to, imported."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

__all__ = ["attribute", "imported", "is_target", "located"]


def located(module: str) -> ModuleSpec | None:
    """The spec of a dotted module, or ``None``. Each level is looked up in the folders of the one above; none runs."""
    top, *inner = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
        for part in inner:
            if spec is None or spec.submodule_search_locations is None:
                return None
            spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    except Exception:  # the import hooks of strangers run here, and raise what they like
        return None
    return spec


def imported(target: str) -> Any:
    """What ``"module"`` or ``"module:path.inside"`` leads to; imports the module and lets through whatever it raises."""
    module, _, path = target.partition(":")
    return attribute(importlib.import_module(module), path)


def is_target(target: str, found: Any) -> bool:
    """Whether this is what a target leads to; ``False``, and nothing is imported, where its module is not in memory yet."""
    module, _, path = target.partition(":")
    loaded = sys.modules.get(module)
    try:
        return loaded is not None and bool(attribute(loaded, path, None) == found)
    except Exception:  # a lazy module of a stranger runs here, and raises what it likes
        return False


def attribute(module: Any, path: str, *default: Any) -> Any:
    """What a dotted path leads to inside a module; the module itself for an empty one."""
    return functools.reduce(lambda found, part: getattr(found, part, *default), filter(None, path.split(".")), module)
