"""Where a module's file is, found without importing it or any of its parents."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec, PathFinder

__all__ = ["located"]


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
