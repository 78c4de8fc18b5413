"""Plain values: what a configuration can hold, whichever file it stands in.

``None``, booleans, finite numbers, strings, lists and dictionaries with string keys; numbers of NumPy are numbers, a tuple
is a list, and a string or integer that is also a member of an enumeration is its value. A component is a dictionary with
its ``kind`` and ``name``. Everything else is refused by name and place, because it would not come back as it went: paths
(they belong to one machine), other enumerations, sets, arrays, functions, dates, infinity and not-a-number.
"""

from __future__ import annotations

import enum
import math
import numbers
import os
from collections.abc import Callable, Mapping
from typing import Any

from ecg_core.errors import ConfigError

__all__ = ["is_component", "plain"]


def plain(value: Any, where: str, component: Callable[[Any, str], Mapping[str, Any] | None] = lambda value, where: None) -> Any:
    """A value as JSON, TOML and YAML hold it.

    Args:
        value: Anything.
        where: Its place, for messages: ``simclr.augment[2].amplitude``.
        component: Writes a component at a place; gives ``None`` for what is none.

    Raises:
        ConfigError: It cannot be written; the message begins with the place.
    """
    # Enumerations and numbers of NumPy that derive from plain types become those types.
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value.value) if isinstance(value, enum.Enum) else str(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return _finite(float(value), where)
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    written = component(value, where)
    if written is not None:
        return dict(written)
    if isinstance(value, Mapping):
        return _mapping(value, where, component)
    if isinstance(value, (list, tuple)):
        return [plain(v, f"{where}[{i}]", component) for i, v in enumerate(value)]
    raise ConfigError(f"{where}: {type(value).__name__} cannot be written to a configuration; {_instead(value)}")


def is_component(value: Any) -> bool:
    """Whether a plain value is the configuration of a component."""
    return isinstance(value, Mapping) and isinstance(value.get("kind"), str) and isinstance(value.get("name"), str)


def _mapping(value: Mapping[Any, Any], where: str, component: Callable[[Any, str], Mapping[str, Any] | None]) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise ConfigError(
                f"{where}: the key {key!r} is {type(key).__name__}, keys of a configuration are strings; put it in quotes"
            )
    return {str(k): plain(v, f"{where}.{k}", component) for k, v in value.items()}


def _finite(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise ConfigError(
            f"{where}: {value} cannot be written to a configuration, since JSON has no such number; use null or a large one"
        )
    return value


def _instead(value: Any) -> str:
    if isinstance(value, os.PathLike):
        return "pass it as a string"
    if isinstance(value, enum.Enum):
        return f"pass its value, {value.value!r}"
    if isinstance(value, (set, frozenset)):
        return "pass a list"
    if hasattr(value, "isoformat"):
        return "put it in quotes"
    return "pass numbers, strings, lists, dictionaries or registered components"
