"""Between a call and its arguments by name: one signature per component, bound once and called again from a dictionary."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

__all__ = ["InitSignature", "call", "named_arguments", "signature_of"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class InitSignature:
    """Shows a class by the signature of its constructor, though its ``__new__`` takes whatever comes.

    ``help``, notebooks and ``inspect.signature`` ask a class for ``__signature__`` before they look anywhere else.
    """

    def __get__(self, instance: object, owner: type) -> inspect.Signature:
        if instance is not None:  # an instance that can be called has the signature of its __call__
            raise AttributeError("__signature__")
        signature = inspect.signature(owner.__init__)  # type: ignore[misc]  # the constructor of this very class is meant
        own = list(signature.parameters.values())[1:]
        return signature.replace(parameters=own, return_annotation=inspect.Signature.empty)


@cache
def signature_of(source: Callable[..., Any]) -> inspect.Signature | None:
    """How a component is called; ``None`` where Python cannot tell, as for some compiled classes."""
    try:
        return inspect.signature(source)
    except (TypeError, ValueError):
        return None


def named_arguments(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call, each under the name of its parameter; open keywords stand beside the others.

    Raises:
        TypeError: The call does not fit the signature.
    """
    found: dict[str, Any] = {}
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        if signature.parameters[name].kind is not inspect.Parameter.VAR_KEYWORD:
            found[name] = value
        elif found.keys() & value.keys():  # f(a, /, **more) may be called f(1, a=2): two values, one name
            found[f"**{name}"] = value
        else:
            found |= value
    return found


def call(source: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call with named arguments: by keyword, except for what the signature takes by position only.

    Raises:
        TypeError: Python's own, where they do not fit.
    """
    positional: list[Any] = []
    rest = dict(arguments)
    signature = signature_of(source)
    parameters = list(signature.parameters.values()) if signature is not None else []
    several = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL and rest.get(p.name)), None)
    for p in parameters:
        # What stands before *several has to come by position too.
        if (p.kind is p.POSITIONAL_ONLY or (several is not None and p.kind in _POSITIONAL)) and p.name in rest:
            positional.append(rest.pop(p.name))
        elif p.kind is p.VAR_POSITIONAL:
            positional += rest.pop(p.name, ())
    return source(*positional, **rest)
