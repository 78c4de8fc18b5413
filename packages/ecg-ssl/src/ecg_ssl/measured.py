"""Features over what was measured: padding has no say in the mean or the maximum over time."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["measured_steps", "time_max", "time_mean"]


def measured_steps(mask: Tensor, steps: int) -> Tensor:
    """``(rows, samples)`` booleans to ``(rows, steps)``: whether the sample in the middle of a step was measured."""
    middle = ((torch.arange(steps, device=mask.device) + 0.5) * mask.shape[-1] / steps).long()
    return mask[:, middle]


def time_mean(features: Tensor, mask: Tensor) -> Tensor:
    """``(rows, channels, steps)`` to their mean over measured steps, ``(rows, channels)``; zero where there is none.

    Args:
        features: Feature maps.
        mask: ``(rows, samples)`` booleans, true where measured.
    """
    kept = measured_steps(mask, features.shape[-1])[:, None, :]
    return torch.where(kept, features, 0.0).sum(dim=-1) / kept.sum(dim=-1).clamp(min=1)


def time_max(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """``(rows, channels, steps)`` to their maximum over measured steps, ``(rows, channels)``; zero where there is none.

    Args:
        features: Feature maps.
        mask: ``(rows, samples)`` booleans, true where measured; ``None`` for everywhere.
    """
    if mask is None:
        return features.amax(dim=-1)
    kept = measured_steps(mask, features.shape[-1])[:, None, :]
    highest = features.masked_fill(~kept, -math.inf).amax(dim=-1)
    return torch.where(kept.any(dim=-1), highest, 0.0)
