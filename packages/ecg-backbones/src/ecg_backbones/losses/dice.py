"""Soft Dice loss over time: 1 minus twice the overlap over the total (Milletari et al., "V-Net", 3DV 2016).

Differs from the paper: the denominator holds probabilities rather than their squares unless ``squared`` is set, as in most
later work (Sudre et al. 2017), and ``smooth`` keeps a class without a single step defined.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ecg_backbones.losses.elements import paired
from ecg_core.config.configurable import Configurable

__all__ = ["DiceLoss", "delineation_example"]


class DiceLoss(Configurable, nn.Module):
    """``1 - (2 Σ p y + smooth) / (Σ p + Σ y + smooth)`` over the steps of a record, averaged over classes and records.

    Args:
        smooth: Steps added above and below the fraction line.
        squared: Square probabilities and targets below it, as in V-Net.
        exclusive: ``True``: softmax, one class per step. ``False``: sigmoid, waves may overlap.

    Shape:
        logits and targets in [0, 1]: ``(batch, classes, steps)``; a scalar in [0, 1]

    Raises:
        ValueError: ``smooth`` is not positive, or there is no axis of steps.
    """

    def __init__(self, *, smooth: float = 1.0, squared: bool = False, exclusive: bool = True) -> None:
        super().__init__()
        if not smooth > 0:
            raise ValueError(f"smooth must be a positive number of steps, got {smooth!r}")
        self.smooth, self.squared, self.exclusive = smooth, squared, exclusive

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"inputs": delineation_example, "refused": [{"smooth": 0.0}]}

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over classes and records."""
        logits, targets = paired(logits, targets)
        if logits.ndim != 3:
            raise ValueError(f"Dice is over the steps of (batch, classes, steps), got shape {tuple(logits.shape)}")
        p = logits.softmax(dim=1) if self.exclusive else logits.sigmoid()
        below = p.square() + targets.square() if self.squared else p + targets
        overlap = 2 * (p * targets).sum(dim=-1)  # (batch, classes)
        return (1 - (overlap + self.smooth) / (below.sum(dim=-1) + self.smooth)).mean()


def delineation_example() -> list[Tensor]:
    """Logits and one class per step for the contract kit, ``(batch, classes, steps)``."""
    logits = torch.randn(2, 3, 20, generator=torch.Generator().manual_seed(0))
    targets = torch.zeros(2, 3, 20)
    targets[:, 0, :8], targets[:, 1, 8:13], targets[:, 2, 13:] = 1.0, 1.0, 1.0
    return [logits, targets]
