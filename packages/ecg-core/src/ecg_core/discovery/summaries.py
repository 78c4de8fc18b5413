"""The first line of a component's docstring, read from its source file without importing it."""

from __future__ import annotations

import ast
import importlib.util
from functools import lru_cache
from pathlib import Path

from ecg_core.discovery.index import Component

__all__ = ["summary"]


def summary(component: Component) -> str:
    """First line of the docstring of the class behind a component; of its module for a named variant; ``""`` if unknown."""
    module, _, name = component.target.partition(":")
    tree = _parsed(module)
    if tree is None:
        return ""
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return _first_line(ast.get_docstring(node))
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return _first_line(ast.get_docstring(tree))
    return ""


@lru_cache(maxsize=None)
def _parsed(module: str) -> ast.Module | None:
    top, *inner = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
        if spec is None:
            return None
        places = [Path(folder, *inner) for folder in spec.submodule_search_locations or ()]
        files = [p for place in places for p in (place.with_suffix(".py"), place / "__init__.py") if p.is_file()]
        if not inner and not files and spec.origin:
            files = [Path(spec.origin)]
        return ast.parse(files[0].read_text(encoding="utf-8")) if files else None
    except (OSError, SyntaxError, ValueError, ImportError):
        return None


def _first_line(docstring: str | None) -> str:
    return docstring.strip().splitlines()[0].rstrip(".") if docstring and docstring.strip() else ""
