"""Checks that several kinds share: constructors that a configuration can call, and that a reader understands."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ecg_core.testing.checks import applies, check, refuses, require
from ecg_core.testing.example import Example

_OURS = ("backbones", "models", "ssl", "transforms", "readers", "heads", "schedulers", "attention")


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Parameters of a constructor, without ``self``."""
    return {name: p for name, p in inspect.signature(function).parameters.items() if name != "self"}


@check(*_OURS)
def constructor_takes_no_unknown_words(example: Example) -> None:
    """The constructor has no ``**kwargs``, so that a misspelt argument is Python's own TypeError."""
    loose = [p for p in parameters_of(example.cls.__init__).values() if p.kind is p.VAR_KEYWORD]
    require(
        not loose, f"the constructor takes **{loose[0].name if loose else ''}; name its arguments, so that a typo is an error"
    )


@check(*_OURS)
def constructor_leaves_the_words_of_configurations_free(example: Example) -> None:
    """No argument is called ``name`` or ``kind``, which a configuration uses itself."""
    taken = [name for name in parameters_of(example.cls.__init__) if name in ("name", "kind")]
    require(not taken, f"the argument {taken[:1]} has a word of configurations, {{'name': …}}; choose another")


@check(*_OURS)
def arguments_are_documented(example: Example) -> None:
    """The class has a docstring that names every argument of the constructor."""
    text = inspect.getdoc(example.cls) or ""
    require(text, f"{example.cls.__name__} has no docstring; the first line is what `ecg plugins list` shows")
    missing = [name for name in parameters_of(example.cls.__init__) if name not in text]
    require(not missing, f"not documented: {', '.join(missing)}; add them to Args in the docstring of the class")


@check(*_OURS)
def refused_arguments_are_one_clear_error(example: Example) -> None:
    """Every set of arguments that the author states as ``refused`` is an error with a message."""
    applies(example.refused, "conformance_params() states no refused=[{…}] arguments")
    given = _also_needed(example)
    example.build(**given)  # sound arguments go through, so that what is refused below is what is wrong
    for wrong in example.refused:
        refuses(lambda: example.build(**{**given, **wrong}), f"{dict(wrong)}")  # noqa: B023 - called at once


def _also_needed(example: Example) -> dict[str, Any]:
    """What its contract has the toolkit hand to a constructor: classes to a head, a backbone to a method."""
    if example.component.kind == "heads":
        return {"classes": 3}
    if example.component.kind == "ssl":
        from ecg_core.discovery.registries import BACKBONES

        require(example.backbones, "conformance_params() states no backbones=[configuration, …] to build the method with")
        return {"backbone": BACKBONES.build(dict(example.backbones[0]), in_leads=example.leads)}
    return {}
