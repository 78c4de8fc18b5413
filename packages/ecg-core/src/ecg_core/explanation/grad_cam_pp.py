"""Grad-CAM++ over time (Chattopadhay et al. 2018, arXiv:1710.11063): steps are weighed, so that every one of several beats shows.

With ``g`` the gradient of the score at a step of a channel, the weight of the channel is ``Σ α relu(g)`` with
``α = g² / (2 g² + Σ A g³)`` (equation 19, the score under an exponential; its factor ``exp(score)`` scales the whole map of a
record and is left out).

Differs from the paper: time, and leads where a backbone keeps them apart, are the axes of the sums.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["weigh_grad_cam_pp"]


def weigh_grad_cam_pp(features: Tensor, gradient: Tensor) -> Tensor:
    """The map of ``(batch, channels, steps)`` features, or lead-wise ones, and their gradients; not normalised."""
    summed = (-1,) if features.ndim == 3 else (1, -1)
    below = 2 * gradient.square() + features.sum(dim=summed, keepdim=True) * gradient.pow(3)
    alpha = torch.where(below == 0, 0.0, gradient.square() / torch.where(below == 0, 1.0, below))
    weight = (alpha * gradient.relu()).sum(dim=summed, keepdim=True)
    return (weight * features).sum(dim=-2).relu()
