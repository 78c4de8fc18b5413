"""What is wrong with a hook module, found before any of its hooks is called."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator
from typing import Any

from ecg_core.discovery import hooks

__all__ = ["hook_problems"]

_MARK = "ecg_core_impl"  # what hookimpl leaves on a function


def hook_problems(module: Any) -> list[str]:
    """One sentence for each misspelt, unmarked or wrongly declared hook of a module; empty if it is sound.

    Args:
        module: A module, or whatever else a hook entry point names.
    """
    return [problem for name in dir(module) for problem in _problems(module, name)]


def _problems(module: Any, name: str) -> Iterator[str]:
    function = getattr(module, name, None)
    options = getattr(function, _MARK, None)
    if not isinstance(options, dict):
        own = getattr(function, "__module__", None) == getattr(module, "__name__", "")
        if inspect.isroutine(function) and own and _near(name, cutoff=0.85):
            yield f"{name} is not marked, so it would never be called; put @hookimpl above it"
        return
    meant = options.get("specname") or name
    if meant not in hooks.HOOK_NAMES:
        near = _near(meant)
        yield f"there is no hook '{meant}'. " + (
            f"Did you mean '{near}'?" if near else f"The hooks are {', '.join(hooks.HOOK_NAMES)}."
        )
        return
    known = list(inspect.signature(getattr(hooks, meant)).parameters)
    for parameter in inspect.signature(function).parameters.values():  # type: ignore[arg-type]
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            yield f"{name} takes '{parameter}', which pluggy never fills; its arguments can be ({', '.join(known)})"
        elif parameter.name not in known and parameter.default is parameter.empty:
            alike = difflib.get_close_matches(parameter.name, known, n=1, cutoff=0.5)
            hint = f"did you mean '{alike[0]}'?" if alike else f"its arguments can be ({', '.join(known)})"
            yield f"{name} takes '{parameter.name}', which this hook does not have; {hint}"
    if options.get("wrapper") or options.get("hookwrapper"):
        yield f"{name} is a wrapper; these hooks are called one plugin at a time and have nothing to wrap"


def _near(name: str, cutoff: float = 0.6) -> str | None:
    return next(iter(difflib.get_close_matches(name, hooks.HOOK_NAMES, n=1, cutoff=cutoff)), None)
