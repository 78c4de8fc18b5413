"""Space to depth: neighbouring samples become channels, so that nothing is lost by the stride.

Ridnik et al., "TResNet: high performance GPU-dedicated architecture", WACV 2021, arXiv:2003.13630, section 2.1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.geometry import Geometry

__all__ = ["SpaceToDepth"]


class SpaceToDepth(nn.Module):
    """Blocks of consecutive steps as channels; the last block is filled with zeros.

    Args:
        block: Steps in a block.

    Shape:
        ``(batch, channels, steps)`` to ``(batch, channels * block, ceil(steps / block))``, the steps of one channel side by side
    """

    def __init__(self, block: int = 4) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """The folded input."""
        steps = x.shape[-1]
        x = F.pad(x, (0, self.block - 1))
        return torch.stack([x[..., i : steps + i : self.block] for i in range(self.block)], dim=2).flatten(1, 2)

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind it."""
        return before.then(self.block, stride=self.block, padding=(0, self.block - 1))
