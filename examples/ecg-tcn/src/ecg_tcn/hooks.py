"""What ecg-tcn tells the toolkit beside its components. Imports no torch."""

from __future__ import annotations

from ecg_core import Alias, hookimpl


@hookimpl
def ecg_aliases() -> list[Alias]:
    """The long name works, with a warning, until 0.3."""
    return [
        Alias(
            kind="backbones",
            old="temporal_conv_net",
            new="ecg-tcn:tcn",
            since="0.1.0",
            remove_in="0.3.0",
        )
    ]
