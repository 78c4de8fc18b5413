"""The first line of a component's docstring, read from its source file without importing it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from ecg_core.discovery.index import Component
from ecg_core.discovery.modules import located

__all__ = ["summary"]


def summary(component: Component) -> str:
    """First line of the docstring of the class behind a component; of its module for a named variant; ``""`` if unknown."""
    module, _, name = component.target.partition(":")
    spec = located(module)
    tree = _parsed(spec.origin) if spec is not None and spec.origin is not None else None
    if tree is None:
        return ""
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return _first_line(ast.get_docstring(node))
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(t, ast.Name) and t.id == name for t in targets):
            return _first_line(ast.get_docstring(tree))
    return ""


@cache
def _parsed(file: str) -> ast.Module | None:
    try:
        return ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError, RecursionError):  # a compiled module, or one that Python cannot read either
        return None


def _first_line(docstring: str | None) -> str:
    return docstring.strip().splitlines()[0].rstrip(".") if docstring and docstring.strip() else ""
