"""Sources: where a pre-trained backbone comes from, and whether it fits the data it is to learn from."""

from __future__ import annotations

from pathlib import Path

import torch

from ecg_core.adaptation.lead_subset import for_leads
from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.task import Task
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.data.store import Store
from ecg_core.errors import RunError
from ecg_core.run.card import Card, load_card
from ecg_core.run.directory import RunDirectory
from ecg_core.run.from_hub import CARDS
from ecg_core.run.inference.exported import SUFFIXES

__all__ = ["card_of", "pretrained_backbone", "run_of"]


def run_of(source: Path) -> RunDirectory | None:
    """The run that a run directory, or a card or weights in one, belongs to; a card by itself belongs to none."""
    if source.suffix in SUFFIXES:
        return None
    folder = source if source.suffix not in (".json", ".safetensors") else source.parent
    if (folder / "run.json").is_file():
        return RunDirectory(folder)
    return None if folder != source or _cards_in(source) else RunDirectory(folder)  # which says what is wrong with it


def pretrained_backbone(source: Path, store: Store, *, samples: int | None = None) -> Backbone:
    """The backbone of a run, of a card, of weights beside their card, or of a folder that ``ecg weights import`` wrote.

    One that tells leads apart is cut down to those of the store. It is to see windows of ``samples``, the store's unless given.

    Raises:
        RunError: There is no backbone, or it was trained on another signal than the store's; the fitting ``ecg prep`` is named.
        CheckpointError: Card or weights are damaged.
        UnknownComponentError: The package that ships it is not installed; the install line is given.
    """
    card = card_of(source)
    card.signal.check(store, source, leads=store.fs != card.signal.fs)  # if data must be prepared anew, with all that fits
    module = card.build()
    found = module.backbone if isinstance(module, Task) else module
    if not isinstance(found, Backbone):
        raise RunError(
            f"{source} holds a {type(found).__name__}, not a backbone; give the --out of `ecg pretrain` or `ecg finetune`"
        )
    if store.leads != card.signal.leads:
        trained_on, samples = card.signal.leads, card.signal.samples
        some = for_leads(found, store.leads, trained_on=trained_on, samples=samples) if isinstance(found, TokenBackbone) else None
        if some is None:
            card.signal.check(store, source)
        else:
            found = some
    if (samples or store.n_samples) != card.signal.samples:
        _try_length(found, store, source, card.signal.seconds)
    return found


def card_of(source: Path) -> Card:
    """The card of a source.

    Raises:
        RunError: There is none.
        CheckpointError: It is damaged.
    """
    return load_card(_card_path(source))


def _card_path(source: Path) -> Path:
    if source.suffix in SUFFIXES:
        raise RunError(f"{source} is an exported file, whose weights cannot learn any more; give the run it came from")
    if source.suffix == ".safetensors":
        card = source.with_suffix(".json")
        if not card.is_file():
            raise RunError(
                f"{source} lies beside no card ({card.name}), so nothing says what its weights are; give a run, or make a card "
                "of weights from elsewhere with `ecg weights import`"
            )
        return card
    if source.suffix == ".json":
        return source
    if not (source / "run.json").is_file() and (cards := _cards_in(source)):
        return cards[0]
    return RunDirectory(source).card


def _cards_in(folder: Path) -> list[Path]:
    return [folder / name for name in CARDS if (folder / name).is_file()]


@torch.no_grad()
def _try_length(backbone: Backbone, store: Store, source: Path, seconds: float) -> None:
    """Another length than in pre-training is allowed where the backbone takes it: one window shows."""
    try:
        backbone(torch.zeros(1, len(store.leads), store.n_samples))
    except (ValueError, RuntimeError, IndexError) as error:
        raise RunError(
            f"{source} was trained on windows of {seconds:g} s and cannot take those of {store.seconds:g} s in {store.path} "
            f"({str(error).splitlines()[0]}); prepare the data with --seconds {seconds:g}"
        ) from None
