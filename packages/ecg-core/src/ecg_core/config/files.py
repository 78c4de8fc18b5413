"""Configuration files: JSON, TOML and YAML, each read as the same plain values.

A file can only say what JSON can say. What one format has beyond that is refused with its place: dates, infinity, keys that
are no strings, keys that stand twice, YAML tags and aliases. Reading one executes nothing.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ecg_core.config.plain import plain
from ecg_core.errors import ConfigError, MissingExtraError

__all__ = ["SUFFIXES", "load_config", "parse_json", "read_values", "save_config"]

SUFFIXES = (".json", ".toml", ".yaml", ".yml")


def load_config(path: str | Path) -> dict[str, Any]:
    """The mapping in a configuration file.

    Args:
        path: A ``.json``, ``.toml``, ``.yaml`` or ``.yml`` file.

    Raises:
        ConfigError: It is missing, malformed (file, line and column are named), or holds no mapping.
        MissingExtraError: It is YAML, and PyYAML is not installed.
    """
    found = read_values(path)
    if not isinstance(found, dict):
        raise ConfigError(f'{path} holds {_kind(found)}, a configuration is a mapping such as {{"name": "resnet18", …}}')
    return found


def save_config(path: str | Path, config: Mapping[str, Any]) -> None:
    """Write a configuration, such as ``BACKBONES.to_config(backbone)``, in one step: a crash leaves the old file whole.

    Args:
        path: A ``.json``, ``.yaml`` or ``.yml`` file. TOML has no null, so it is read and never written.
        config: Plain values; keys keep their order.

    Raises:
        ConfigError: A value cannot be written (its place is named), or nothing can be written under this suffix.
        MissingExtraError: It is YAML, and PyYAML is not installed.
    """
    path = Path(path)
    suffix = _suffix(path)
    if not isinstance(config, Mapping):
        raise ConfigError(f"a configuration is a mapping, got {_kind(config)}; write a component with its registry's to_config")
    values = plain(config, path.name)
    if suffix == ".toml":
        raise ConfigError(
            f"{path}: TOML is read but not written, since it has no null; save it as {path.with_suffix('.json').name}"
        )
    text = _yaml().dump(values) if suffix in (".yaml", ".yml") else json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_values(path: str | Path) -> Any:
    """What a configuration file holds: a mapping, or whatever else it is.

    Raises:
        ConfigError: It is missing or malformed.
        MissingExtraError: It is YAML, and PyYAML is not installed.
    """
    path = Path(path)
    parse: Callable[[str, str], Any] = {".json": parse_json, ".toml": _parse_toml}.get(_suffix(path)) or _yaml().parse
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start})") from None
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {path}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})") from None
    try:
        return plain(parse(text, str(path)), path.name)
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply to be a configuration") from None


def parse_json(text: str, where: str, *, hint: str = "") -> Any:
    """JSON without the two things that go wrong in silence: keys that stand twice, and numbers JSON does not have.

    Raises:
        ConfigError: It is malformed; ``where`` begins the message, and ``hint`` ends it.
    """

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ConfigError(f"{where}: the key '{key}' stands twice in one mapping; keep one of them")
            found[key] = value
        return found

    def no_number(word: str) -> NoReturn:
        raise ConfigError(f"{where}: {word} is no JSON number; use null or a large one")

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=no_number)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where}:{error.lineno}:{error.colno}: not JSON ({error.msg}){hint}") from None


def _parse_toml(text: str, where: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = re.search(r" \(at line (\d+), column (\d+)\)$", message)
        if place is not None:
            where, message = f"{where}:{place[1]}:{place[2]}", message[: place.start()]
        raise ConfigError(f"{where}: not TOML ({message})") from None


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"{path} is no configuration file by its name; it must end in {', '.join(SUFFIXES)}")
    return suffix


def _yaml() -> Any:
    try:
        from ecg_core.config import yaml
    except ModuleNotFoundError as error:
        if error.name != "yaml":
            raise
        raise MissingExtraError("YAML files need PyYAML, which is not installed: pip install 'ecg-core[yaml]'") from None
    return yaml


def _kind(value: Any) -> str:
    return {list: "a list", str: "text", type(None): "nothing", bool: "true or false", int: "a number", float: "a number"}.get(
        type(value), type(value).__name__
    )
