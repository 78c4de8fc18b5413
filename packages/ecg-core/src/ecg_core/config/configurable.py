"""Configurable: an object that remembers the arguments it was built with, so that it can be built again.

The arguments are bound to the constructor's signature in ``__new__`` and kept in the instance ``__dict__``; nothing is
wrapped, so pickling, deep copies and ``torch.compile`` see an ordinary object.
"""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, Self, TypeVar, cast

__all__ = ["Configurable", "Variant"]

T = TypeVar("T")
_ARGUMENTS = "_constructor_arguments"
_VARIANT = "_constructor_variant"


class Configurable(ABC):  # noqa: B024 - what is abstract differs by contract
    """Base of every registered component; captures constructor arguments."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        object.__setattr__(self, _ARGUMENTS, _bind(cls, args, kwargs))
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """Constructor arguments that were given, by name."""
        return dict(self.__dict__[_ARGUMENTS])

    @property
    def variant(self) -> Variant[Any] | None:
        """The named variant this object was built from, if any."""
        return cast("Variant[Any] | None", self.__dict__.get(_VARIANT))


@dataclass(frozen=True)
class Variant(Generic[T]):
    """A class together with some of its keyword arguments: one row of a table of named sizes.

    ``Variant(ResNet, {"depths": (2, 2, 2, 2)})`` is called like the class; given arguments win over its own.
    """

    cls: Callable[..., T]
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, **kwargs: Any) -> T:
        made = self.cls(**{**self.defaults, **kwargs})
        object.__setattr__(made, _VARIANT, self)
        return made

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self.cls.__doc__

    def __hash__(self) -> int:
        return hash((self.cls, tuple(sorted(self.defaults))))


@cache
def _signature(cls: type) -> inspect.Signature:
    return inspect.signature(cls.__init__)  # type: ignore[misc]  # the constructor of this very class is meant


def _bind(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    try:
        bound = _signature(cls).bind(None, *args, **kwargs)
    except TypeError:
        # Unpickling calls __new__ without arguments and restores __dict__ afterwards; a wrong call fails in
        # __init__ right after this, with Python's own message.
        return {}
    captured = dict(bound.arguments)
    del captured[next(iter(_signature(cls).parameters))]  # self
    for name, parameter in _signature(cls).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            captured |= captured.pop(name, {})
    return captured
