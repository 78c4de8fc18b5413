"""Weighted sum of losses, such as Dice plus a hundredth of the boundary loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ecg_backbones.losses.dice import delineation_example
from ecg_core.config.configurable import Configurable

__all__ = ["WeightedSumLoss"]


class WeightedSumLoss(Configurable, nn.Module):
    """``Σ weight · loss`` of the same prediction.

    Args:
        losses: Losses that take the same inputs; in a configuration ``{"kind": "losses", "name": …}`` each.
        weights: One per loss; ``None`` for 1 each.

    Raises:
        ValueError: There is no loss, or there are not as many weights.
    """

    def __init__(self, losses: Sequence[nn.Module], *, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if not losses:
            raise ValueError("a sum needs at least one loss, got none")
        if weights is not None and len(weights) != len(losses):
            raise ValueError(f"got {len(weights)} weights for {len(losses)} losses; give one each")
        self.losses = nn.ModuleList(losses)
        self.weights = tuple(weights) if weights is not None else (1.0,) * len(losses)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        losses = [{"kind": "losses", "name": "dice_loss"}, {"kind": "losses", "name": "boundary_loss"}]
        return {
            "arguments": {"losses": losses, "weights": [1.0, 0.01]},
            "inputs": delineation_example,
            "refused": [{"losses": []}, {"weights": [1.0]}],
        }

    def forward(self, *inputs: Tensor) -> Tensor:
        """The sum, a scalar."""
        return torch.stack([weight * loss(*inputs) for weight, loss in zip(self.weights, self.losses, strict=True)]).sum()
