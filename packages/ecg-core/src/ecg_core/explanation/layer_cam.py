"""LayerCAM over time (Jiang et al., IEEE TIP 2021): every step has its own weight, so that fine maps work too.

The positive part of the gradient is the weight: the map is ``relu(Σ_channels relu(g) · A)``, element by element.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["weigh_layer_cam"]


def weigh_layer_cam(features: Tensor, gradient: Tensor) -> Tensor:
    """The map of ``(batch, channels, steps)`` features, or lead-wise ones, and their gradients; not normalised."""
    return (gradient.relu() * features).sum(dim=-2).relu()
