"""Configurable: an object that remembers the arguments it was built with, so that it can be built again.

The arguments are bound to the constructor's signature in ``__new__`` and kept in the instance ``__dict__``; nothing is
wrapped, so pickling, deep copies, ``torch.compile`` and ``torch.export`` see an ordinary object.

What is remembered is the call as it was made: lists, tuples and dictionaries are copied all the way down, so that changing
the caller's list later changes no record; everything inside them (components, arrays, functions) is kept as it is.
"""

from __future__ import annotations

import contextlib
import inspect
from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Self, TypeVar

from ecg_core.config.signature import InitSignature, call, named_arguments, signature_of

__all__ = ["Configurable", "Construction", "Variant", "construction_of", "remember", "snapshot"]

T = TypeVar("T")
_KEY = "_construction"


class Construction(NamedTuple):
    """How an object was made: the class, the variant or the registered name that was called, and with what."""

    source: Any
    arguments: Mapping[str, Any]


class Configurable(ABC):  # noqa: B024 - what is abstract differs by contract
    """Base of every registered component; captures constructor arguments."""

    __signature__ = InitSignature()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        remember(self, cls, snapshot(_bound(cls, args, kwargs)))
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """Constructor arguments that were given, by name; a copy that may be changed."""
        return dict(snapshot(self.__dict__[_KEY].arguments))

    @property
    def variant(self) -> Variant[Any] | None:
        """The named variant this object was built from, if any."""
        source = self.__dict__[_KEY].source
        return source if isinstance(source, Variant) else None


@dataclass(frozen=True)
class Variant(Generic[T]):
    """A class together with some of its keyword arguments: one row of a table of named sizes.

    ``Variant(ResNet, {"depths": (2, 2, 2, 2)})`` is called like the class; given arguments win over its own.

    Args:
        cls: The class it varies.
        defaults: Its own arguments.
        conformance: What the contract kit may rely on, where it differs from the class's ``conformance_params()``.
    """

    cls: Callable[..., T]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    conformance: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __call__(self, **kwargs: Any) -> T:
        noted = snapshot({**self.defaults, **kwargs})  # before a constructor can change what it is given
        made: T = call(self.cls, {**snapshot(self.defaults), **kwargs})
        remember(made, self, noted)
        return made

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self.cls.__doc__

    @property
    def __signature__(self) -> inspect.Signature:
        signature = inspect.signature(self.cls)
        own = [p.replace(default=self.defaults.get(p.name, p.default)) for p in signature.parameters.values()]
        keyword = [
            p if p.kind is p.VAR_KEYWORD else p.replace(kind=p.KEYWORD_ONLY) for p in own if p.kind is not p.VAR_POSITIONAL
        ]
        return signature.replace(parameters=keyword)

    def __hash__(self) -> int:
        return hash((self.cls, tuple(sorted(self.defaults))))


def remember(made: object, source: Any, arguments: dict[str, Any]) -> None:
    """Note on an object how it was made; one that has no room for notes stays without."""
    with contextlib.suppress(AttributeError, TypeError):
        # Past any __setattr__ of the class: nn.Module's works only after its constructor.
        object.__setattr__(made, _KEY, Construction(source, arguments))


def construction_of(obj: object) -> Construction | None:
    """How an object was made, if it was noted; of what ``torch.compile`` returns, how the module inside was made."""
    modules = getattr(obj, "__dict__", {}).get("_modules")
    obj = modules.get("_orig_mod", obj) if isinstance(modules, dict) else obj
    noted: Construction | None = getattr(obj, "__dict__", {}).get(_KEY)
    if noted is not None and isinstance(obj, Configurable) and isinstance(noted.source, (type, Variant)):
        return noted._replace(arguments=obj.arguments)
    return noted


def _bound(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    signature = signature_of(cls)
    try:
        return {} if signature is None else named_arguments(signature, args, kwargs)
    except TypeError:
        # Unpickling calls __new__ without arguments and restores __dict__ afterwards; a wrong call fails in
        # __init__ right after this, with Python's own message.
        return {}


def snapshot(value: Any) -> Any:
    """The value with its lists, tuples and dictionaries copied all the way down, and everything else itself."""
    if isinstance(value, Mapping):
        return {k: snapshot(v) for k, v in value.items()}
    if isinstance(value, list):
        return [snapshot(v) for v in value]
    if isinstance(value, tuple):
        return tuple(snapshot(v) for v in value)
    return value
