"""Load: a trained module from a run directory or a card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ecg_core.run.card import Card, SignalContract, load_card
from ecg_core.run.directory import RunDirectory
from ecg_core.run.from_hub import CARDS, local
from ecg_core.run.inference.exported import SUFFIXES, Exported

__all__ = ["Loaded", "card_of", "load"]


@dataclass(frozen=True)
class Loaded:
    """A trained module with its card."""

    module: nn.Module
    card: Card

    @property
    def signal(self) -> SignalContract:
        """What the module expects."""
        return self.card.signal


def load(path: str | Path) -> Loaded | Exported:
    """The backbone of a pre-training, the task of a fine-tuning, whatever a card describes, or an exported file.

    Args:
        path: A run directory, a card (``*.json``) or a folder with one, a file of ``ecg export`` (``*.onnx``, ``*.pt2``), or a
            model of the hub, ``hf://owner/name`` or ``hf://owner/name@revision``, which is fetched.

    Raises:
        RunError: The folder is not a run directory, or its run has no model yet; or the hub does not give the model.
        CheckpointError: Card or weights are damaged.
        MissingExtraError: It is a model of the hub, and huggingface_hub is not installed.
    """
    path = local(path)
    if path.suffix in SUFFIXES:
        return Exported(path)
    card = load_card(card_of(path))
    return Loaded(card.build(), card)


def card_of(path: Path) -> Path:
    """The card of a run directory or of a folder without a run, or the card itself.

    Raises:
        RunError: The folder is not a run directory, or its run has no model yet.
    """
    if path.suffix == ".json" and path.is_file():
        return path
    if not (path / "run.json").is_file():
        for name in CARDS:
            if (path / name).is_file():
                return path / name
    return RunDirectory(path).card
