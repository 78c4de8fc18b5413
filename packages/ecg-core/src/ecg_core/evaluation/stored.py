"""Results as JSON and back: dataclasses of numbers, names, tuples and further dataclasses.

NaN has no word in JSON and becomes ``null``; a field that is absent keeps its default, so older files are read.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from typing import Any, TypeVar

__all__ = ["pack", "unpack"]

T = TypeVar("T")


def pack(value: Any) -> Any:
    """A result in the words of JSON; fields that hold ``None`` or nothing by default are left out while they do.

    Example:
        >>> pack((1, math.nan, "a"))
        [1, None, 'a']
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: (getattr(value, f.name), f.default) for f in dataclasses.fields(value)}
        return {name: pack(held) for name, (held, default) in fields.items() if not (_nothing(held) and _nothing(default))}
    if isinstance(value, (tuple, list)):
        return [pack(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def unpack(kind: type[T], stored: Any) -> T:
    """The inverse of :func:`pack`.

    Args:
        kind: A dataclass whose fields are annotated with numbers, names, tuples, dataclasses, or one of these or ``None``.
        stored: What :func:`pack` gave; words that the dataclass does not know are left aside.

    Raises:
        KeyError: A field without a default is absent.
    """
    return typing.cast(T, _read(kind, stored))


def _nothing(value: object) -> bool:
    return value is None or value == ()


def _read(kind: Any, stored: Any) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        needed = [f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING]
        return kind(**{name: _read(hints[name], stored[name]) for name in hints if name in needed or name in stored})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (other,) = (argument for argument in arguments if argument is not type(None))
        return None if stored is None else _read(other, stored)
    if origin is tuple:
        return tuple(_read(arguments[0], item) for item in stored)
    if kind is float:
        return math.nan if stored is None else float(stored)
    return stored
