"""Everything about one component: its signature, documentation, paper, shapes and source; what its import failed with, if so."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass
from typing import Any

from ecg_core.config.configurable import Variant
from ecg_core.discovery.index import Component
from ecg_core.discovery.modules import imported
from ecg_core.discovery.torch_backends import keep_torch_importable

__all__ = ["Details", "Parameter", "details"]

# A paragraph that cites something has a year in it.
_YEAR = re.compile(r"\b(19[5-9]|20[0-4])\d\b")


@dataclass(frozen=True)
class Parameter:
    """One constructor argument; ``default`` is ``None`` where there is none, else as Python writes it."""

    name: str
    annotation: str
    default: str | None


@dataclass(frozen=True)
class Details:
    """What is known of a component.

    Args:
        component: What the index says of it.
        signature: As one would call it; ``""`` if it cannot be told.
        parameters: The constructor's arguments.
        documentation: The docstring.
        paper: The paragraphs of the docstring, or else of the module's, that cite something.
        shapes: The ``Shape`` section of the docstring.
        file: Source file; ``""`` if there is none.
        line: Line in it.
        error: Why it could not be imported; everything else is empty then.
    """

    component: Component
    signature: str = ""
    parameters: tuple[Parameter, ...] = ()
    documentation: str = ""
    paper: str = ""
    shapes: str = ""
    file: str = ""
    line: int = 0
    error: str = ""


def details(component: Component) -> Details:
    """Import a component and describe it; an import that fails is told, not raised."""
    keep_torch_importable()
    try:
        found = imported(component.target)
    except (Exception, SystemExit) as error:
        return Details(component, error=f"{type(error).__name__}: {error}")
    defaults = found.defaults if isinstance(found, Variant) else {}
    owner = found.cls if isinstance(found, Variant) else found
    documentation = inspect.getdoc(owner) or ""
    module = inspect.getdoc(sys.modules.get(getattr(owner, "__module__", ""), None)) or ""
    file, line = _source(owner)
    parameters = _parameters(owner, defaults)
    return Details(
        component,
        signature=_signature(component.name, parameters),
        parameters=parameters,
        documentation=documentation,
        paper=_citing(documentation) or _citing(module),
        shapes=_section(documentation, "Shape"),
        file=file,
        line=line,
    )


def _parameters(owner: Any, defaults: Any) -> tuple[Parameter, ...]:
    """The arguments of a constructor, with the defaults of a named variant."""
    try:
        found = inspect.signature(owner).parameters.values()
    except (TypeError, ValueError):  # written in C
        return ()
    return tuple(
        Parameter(
            str(p).split(":")[0].split("=")[0] if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) else p.name,
            ""
            if p.annotation is p.empty
            else p.annotation
            if isinstance(p.annotation, str)
            else inspect.formatannotation(p.annotation),
            repr(defaults[p.name]) if p.name in defaults else None if p.default is p.empty else repr(p.default),
        )
        for p in found
    )


def _signature(name: str, parameters: tuple[Parameter, ...]) -> str:
    words = (p.name if p.default is None else f"{p.name}={p.default}" for p in parameters)
    return f"{name}({', '.join(words)})"


def _source(owner: Any) -> tuple[str, int]:
    try:
        return inspect.getsourcefile(owner) or "", inspect.getsourcelines(owner)[1]
    except (TypeError, OSError):
        return "", 0


def _citing(text: str) -> str:
    paragraphs = (p.strip() for p in re.split(r"\n\s*\n", text))
    return "\n".join(p for p in paragraphs if _YEAR.search(p) and not p.startswith(("Args:", "Shape:", "Raises:")))


def _section(text: str, name: str) -> str:
    """The indented lines below ``Shape:``."""
    match = re.search(rf"^{name}:\n((?:[ \t]+.*\n?|\n(?=[ \t]))+)", text, re.MULTILINE)
    return inspect.cleandoc(match[1]) if match else ""
