"""A component on the command line: its name, its configuration as JSON, or a file that holds one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecg_core.config.files import SUFFIXES, load_config, parse_json, read_values
from ecg_core.config.plain import plain
from ecg_core.errors import ConfigError

__all__ = ["component", "components", "pipeline"]


def component(text: str) -> str | Mapping[str, Any]:
    """``st_mem`` as it is; ``{"name": "st_mem", "crop_seconds": 5}`` and the file ``st_mem.toml`` as a mapping.

    What ends in a suffix of configuration files is a file, whether it is there or not; anything else is a name, whatever
    lies in the folder.

    Raises:
        ConfigError: It is neither JSON nor such a file, or names no component.
    """
    if text.lstrip().startswith("{"):
        return dict(_json(text))
    if not _is_file(text):
        return text
    found = load_config(text)
    if "name" not in found:
        raise ConfigError(f"{text} names no component; it needs a 'name', and may hold arguments beside it")
    return found


def components(text: str) -> list[str | Mapping[str, Any]]:
    """Several of them: names with commas between, a JSON list, or a file that holds a list."""
    if text.lstrip().startswith("["):
        return _listed(_json(text), text)
    if text.lstrip().startswith("{"):
        return [component(text)]
    return pipeline(Path(text)) if _is_file(text) else [name for name in text.split(",") if name]


def pipeline(path: Path) -> list[str | Mapping[str, Any]]:
    """The list of transforms in a file; as ``transforms = […]`` where a file can hold no bare list, which is so in TOML."""
    found = read_values(path)
    if isinstance(found, dict) and set(found) == {"transforms"}:
        found = found["transforms"]
    return _listed(found, str(path))


def _listed(found: Any, where: str) -> list[str | Mapping[str, Any]]:
    if not isinstance(found, list):
        raise ConfigError(f'{where} holds {type(found).__name__}, a pipeline is a list of transforms: [{{"name": …, …}}, …]')
    return found


def _json(text: str) -> Any:
    return plain(parse_json(text, text, hint='; write a name or {"name": …, …}'), text)


def _is_file(text: str) -> bool:
    return Path(text).suffix.lower() in SUFFIXES
