"""Load: a trained module from a run directory or a card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ecg_core.run.card import Card, SignalContract, load_card
from ecg_core.run.directory import RunDirectory

__all__ = ["Loaded", "load"]


@dataclass(frozen=True)
class Loaded:
    """A trained module with its card."""

    module: nn.Module
    card: Card

    @property
    def signal(self) -> SignalContract:
        """What the module expects."""
        return self.card.signal


def load(path: str | Path) -> Loaded:
    """The backbone of a pre-training, the task of a fine-tuning, or whatever a card describes.

    Args:
        path: A run directory or a card (``*.json``).

    Raises:
        RunError: The folder is not a run directory, or its run has no model yet.
        CheckpointError: Card or weights are damaged.
    """
    path = Path(path)
    card = load_card(path if path.suffix == ".json" and path.is_file() else RunDirectory(path).card)
    return Loaded(card.build(), card)
