"""Boundary loss over time (Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019, equation 5).

A probability costs its signed distance to the boundary of the true wave: the further outside, the more; inside it earns.
The paper adds it to a loss of regions; :class:`~ecg_backbones.WeightedSumLoss` of Dice and this one is that.

Differs from the paper: the distance is along time, in steps.

>>> import torch
>>> signed_distance(torch.tensor([[0., 0., 1., 1., 1., 0.]]))
tensor([[ 2.,  1.,  0., -1.,  0.,  1.]])
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ecg_backbones.losses.dice import delineation_example
from ecg_backbones.losses.elements import paired
from ecg_core.config.configurable import Configurable

__all__ = ["BoundaryLoss", "signed_distance"]


def signed_distance(inside: Tensor) -> Tensor:
    """Steps to the boundary, ``(..., steps)``: positive outside, 0 on the first and last step inside, negative within.

    A row that is nowhere or everywhere inside has no boundary, and is 0.
    """
    mask = inside > 0.5
    outwards, inwards = _nearest(mask), _nearest(~mask)
    bounded = mask.any(dim=-1, keepdim=True) & ~mask.all(dim=-1, keepdim=True)
    distance = torch.where(mask, 1 - inwards, outwards)
    return torch.where(bounded, distance, 0).to(torch.float32)


class BoundaryLoss(Configurable, nn.Module):
    """The mean of probability times signed distance to the true boundary, over classes, steps and records.

    It is negative where the prediction lies inside the true waves, and is meant to be added to a loss of regions.

    Args:
        exclusive: ``True``: softmax, one class per step. ``False``: sigmoid, waves may overlap.

    Shape:
        logits and targets in {0, 1}: ``(batch, classes, steps)``; a scalar, in steps

    Raises:
        ValueError: There is no axis of steps.
    """

    def __init__(self, *, exclusive: bool = True) -> None:
        super().__init__()
        self.exclusive = exclusive

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"inputs": delineation_example}

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over classes, steps and records."""
        logits, targets = paired(logits, targets)
        if logits.ndim != 3:
            raise ValueError(f"boundaries are over the steps of (batch, classes, steps), got shape {tuple(logits.shape)}")
        p = logits.softmax(dim=1) if self.exclusive else logits.sigmoid()
        return (p * signed_distance(targets).to(p.dtype)).mean()


def _nearest(mask: Tensor) -> Tensor:
    """Steps from each step to the nearest true one; huge where there is none."""
    steps = mask.shape[-1]
    here = torch.arange(steps, device=mask.device)
    last = torch.where(mask, here, -2 * steps).cummax(dim=-1).values
    following = torch.where(mask, here, 3 * steps).flip(-1).cummin(dim=-1).values.flip(-1)
    return torch.minimum(here - last, following - here)
