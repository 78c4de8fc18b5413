"""A network that only answers: it stays in evaluation mode, takes no gradient and draws nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar, cast

from torch import nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.discovery.registries import BACKBONES
from ecg_core.run.card import load_card
from ecg_core.run.from_hub import local

__all__ = ["Frozen", "trained_backbone"]

M = TypeVar("M", bound=nn.Module)


class Frozen(nn.Module, Generic[M]):
    """Holds a network as it is.

    Args:
        network: Any module; its parameters take no gradient from now on.
    """

    def __init__(self, network: M) -> None:
        super().__init__()
        self.network: M = network.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Training mode, in which the network stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        return self


def trained_backbone(given: Backbone | str | Mapping[str, Any]) -> Backbone:
    """A backbone, or the one that a run or an import has saved.

    Args:
        given: The backbone, the path of its ``backbone.json`` or of the folder that holds it, its address on the hub
            (``hf://owner/name``), or the configuration of one whose weights a state dict will bring.
    """
    if isinstance(given, Backbone):
        return given
    if isinstance(given, Mapping):
        return BACKBONES.build(given)
    path = local(given)
    return cast("Backbone", load_card(path / "backbone.json" if path.is_dir() else path).build())
