"""A component on the command line: its name, or its configuration as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ecg_core.errors import ConfigError

__all__ = ["component"]


def component(text: str) -> str | Mapping[str, Any]:
    """``st_mem`` as it is; ``{"name": "st_mem", "crop_seconds": 5}`` as a mapping."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ConfigError(f'{text} is not JSON ({error}); write a name or {{"name": …, …}}') from None
    return found
