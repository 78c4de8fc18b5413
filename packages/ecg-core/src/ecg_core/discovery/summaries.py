"""The first line of a component's docstring, read from its source file without importing it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from ecg_core.discovery.index import Component
from ecg_core.discovery.modules import located

__all__ = ["summary"]

_STRING = re.compile(r'("""|\'\'\')(?:[^\\]|\\.)*?\1', re.DOTALL)


def summary(component: Component) -> str:
    """First line of the docstring of the class behind a component; of its module for a named variant; ``""`` if unknown."""
    module, _, name = component.target.partition(":")
    spec = located(module)
    source = _source(spec.origin) if spec is not None and spec.origin is not None else None
    if source is None:
        return ""
    # Only what ends with the docstring is parsed: a list of everything should not parse everything.
    defined = re.search(rf"^(?:class|def|async def) {re.escape(name)}\b", source, re.MULTILINE)
    if defined is not None:
        return _first_line(_docstring(source[defined.start() :], of_module=False))
    assigned = re.search(rf"^{re.escape(name)}\s*[:=]", source, re.MULTILINE)
    return _first_line(_docstring(source, of_module=True)) if assigned is not None else ""


def _docstring(source: str, *, of_module: bool) -> str | None:
    """The docstring of the module that the text is, or of the class or function that it begins with."""
    string = _STRING.search(source)
    for text in (source[: string.end()] if string else source, source):
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):  # cut in the middle of something, or not readable to Python either
            continue
        owner = tree if of_module else tree.body[0]
        assert isinstance(owner, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        return ast.get_docstring(owner)
    return None


@cache
def _source(file: str) -> str | None:
    try:
        return Path(file).read_text(encoding="utf-8") if file.endswith(".py") else None
    except (OSError, ValueError):
        return None


def _first_line(docstring: str | None) -> str:
    return docstring.strip().splitlines()[0].rstrip(".") if docstring and docstring.strip() else ""
