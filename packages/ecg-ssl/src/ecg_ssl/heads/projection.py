"""Projection head: from the embedding to where a contrastive loss compares; thrown away after pre-training.

Chen et al., ICML 2020, section 4.2: a nonlinear projection beats a linear one, which beats none, and the layer before
the projection is the better representation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ProjectionHead"]


class ProjectionHead(nn.Module):
    """Linear, batch normalisation and ReLU in every hidden layer, then one linear layer; in float32 under autocast.

    Args:
        in_features: Channels of the embedding; ``None`` infers them from the first batch.
        hidden: Channels of the hidden layers.
        width: Channels of the projection.
        layers: Linear layers in all: 2 in the paper, 3 in its published code.

    Shape:
        ``(batch, in_features)`` to ``(batch, width)``

    Raises:
        ValueError: Fewer than 2 layers.
    """

    def __init__(self, in_features: int | None = None, *, hidden: int = 512, width: int = 128, layers: int = 2) -> None:
        super().__init__()
        if layers < 2:
            raise ValueError(f"a projection head has at least 2 layers, got {layers}")
        # No bias before a normalisation, which would take it out again.
        first = nn.LazyLinear(hidden, bias=False) if in_features is None else nn.Linear(in_features, hidden, bias=False)
        parts: list[nn.Module] = [first, nn.BatchNorm1d(hidden), nn.ReLU()]
        for _ in range(layers - 2):
            parts += [nn.Linear(hidden, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()]
        self.layers = nn.Sequential(*parts, nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """The projection, un-normalised."""
        with torch.autocast(x.device.type, enabled=False):
            return self.layers(x.to(next(self.parameters()).dtype))
