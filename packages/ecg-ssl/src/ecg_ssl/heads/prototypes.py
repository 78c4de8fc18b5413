"""Prototype head of DINO: a perceptron to a narrow unit vector, and its cosine with learned prototypes.

Caron et al., "Emerging properties in self-supervised vision transformers", ICCV 2021, arXiv:2104.14294, section 3.1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["PrototypeHead"]


class PrototypeHead(nn.Module):
    """Logits over prototypes, each of length one; in float32 under autocast.

    Args:
        in_width: Channels of its input.
        prototypes: How many.
        hidden: Channels of the hidden layers.
        width: Channels of the unit vector.

    Shape:
        ``(rows, in_width)`` to ``(rows, prototypes)``
    """

    def __init__(self, in_width: int, *, prototypes: int, hidden: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(in_width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, width)
        )
        self.prototypes = nn.Linear(width, prototypes, bias=False)
        self.frozen = False
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Cosines with the prototypes; while ``frozen`` they get no gradient."""
        weight = self.prototypes.weight.detach() if self.frozen else self.prototypes.weight
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(F.normalize(self.layers(x.to(weight.dtype)), dim=-1), F.normalize(weight, dim=1))
