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

    Of the same form, with some parts left out or added, are the projectors of MoCo, BYOL and VICReg and their predictors.

    Args:
        in_features: Channels of the embedding; ``None`` infers them from the first batch.
        hidden: Channels of the hidden layers.
        width: Channels of the projection.
        layers: Linear layers in all: 2 in the paper, 3 in its published code; 1 is a single linear layer.
        norm: Whether hidden layers are normalised; where they are not, they have biases.
        hidden_bias: Whether hidden layers have biases where they are normalised, which takes them out again.
        last_bias: Whether the last layer has a bias.
        last_norm: Whether the output is normalised by batch statistics, without weights.

    Shape:
        ``(batch, in_features)`` to ``(batch, width)``

    Raises:
        ValueError: There is no layer.
    """

    def __init__(
        self,
        in_features: int | None = None,
        *,
        hidden: int = 512,
        width: int = 128,
        layers: int = 2,
        norm: bool = True,
        hidden_bias: bool = False,
        last_bias: bool = True,
        last_norm: bool = False,
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"a projection head has at least 1 layer, got {layers}")
        parts: list[nn.Module] = []
        for number in range(layers):
            last = number == layers - 1
            # A normalisation would take the bias out again.
            out, bias = (width, last_bias) if last else (hidden, hidden_bias or not norm)
            known = in_features if number == 0 else hidden
            parts.append(nn.LazyLinear(out, bias=bias) if known is None else nn.Linear(known, out, bias=bias))
            if not last:
                parts += [nn.BatchNorm1d(hidden), nn.ReLU()] if norm else [nn.ReLU()]
        if last_norm:
            parts.append(nn.BatchNorm1d(width, affine=False))
        self.layers = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        """The projection, un-normalised."""
        with torch.autocast(x.device.type, enabled=False):
            return self.layers(x.to(next(self.parameters()).dtype))
