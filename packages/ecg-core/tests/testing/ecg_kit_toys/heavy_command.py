"""A command whose module imports torch, which makes `ecg NAME --help` slow."""

from __future__ import annotations

import torch  # noqa: F401

from ecg_kit_toys.table import broken


@broken("commands", "help_is_shown_without_anything_heavy", "loads numpy, torch")
def heavy() -> None:
    """Say hello."""
