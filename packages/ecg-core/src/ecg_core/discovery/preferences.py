"""``ECG_PREFER``: which provider a user wants for a name that several ship."""

from __future__ import annotations

import os

from ecg_core.discovery.names import comparison_key, distribution_key
from ecg_core.errors import ConfigError

__all__ = ["preferences"]


def preferences() -> dict[str, str]:
    """Provider by comparable name, as in ``ECG_PREFER="tcn=ecg-tcn,unet=ecg-delineate"``.

    Raises:
        ConfigError: A part of it is not ``name=provider``.
    """
    found = {}
    for part in os.environ.get("ECG_PREFER", "").split(","):
        name, equals, provider = part.partition("=")
        if not part.strip():
            continue
        if not (equals and name.strip() and provider.strip()):
            raise ConfigError(f"ECG_PREFER expects name=provider pairs separated by commas, such as tcn=ecg-tcn, got {part!r}")
        found[comparison_key(name)] = distribution_key(provider)
    return found
