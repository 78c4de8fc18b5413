"""Which code a step is, by the cosine between a projection of it and a vector per code.

Hsu et al., "HuBERT", IEEE/ACM TASLP 2021, arXiv:2106.07447, equation 3.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CosineCodeHead"]


class CosineCodeHead(nn.Module):
    """Cosines divided by a temperature.

    Args:
        in_width: Channels of a step.
        codes: How many there are.
        width: Channels in which steps and codes are compared.
        temperature: Of the softmax over codes.

    Shape:
        ``(..., in_width)`` to ``(..., codes)``, in float32 or better, from ``-1 / temperature`` to ``1 / temperature``
    """

    def __init__(self, in_width: int, codes: int, *, width: int = 256, temperature: float = 0.1) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature!r}")
        self.project = nn.Linear(in_width, width)
        self.codes = nn.Parameter(torch.randn(codes, width))
        self.temperature = temperature

    def forward(self, steps: Tensor) -> Tensor:
        """Logits of every code."""
        with torch.autocast(steps.device.type, enabled=False):
            projected = F.normalize(self.project(steps.to(self.project.weight.dtype)), dim=-1)
            return projected @ F.normalize(self.codes, dim=-1).T / self.temperature
