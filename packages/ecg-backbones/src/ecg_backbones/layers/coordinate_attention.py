"""Coordinate attention: channel factors that still know where along the window they are.

Hou, Zhou, Feng, "Coordinate attention for efficient mobile network design", CVPR 2021, arXiv:2103.02907.

This is exactly the paper's block on a picture of height one: pooled along time it has one column, and pooled along the
height it is the input itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d
from ecg_backbones.layers.sized import SizedByInput

__all__ = ["CoordinateAttention"]


class CoordinateAttention(SizedByInput):
    """Steps and their mean pass one shared bottleneck; one factor for each channel and step, one for each channel.

    Args:
        channels: Channels of the input; ``None`` takes them from the first input.
        reduction: Channels per hidden channel.
        min_hidden: Least number of hidden channels.

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    def __init__(self, channels: int | None = None, *, reduction: int = 32, min_hidden: int = 8) -> None:
        super().__init__()
        if reduction < 1 or min_hidden < 1:
            raise ValueError(f"reduction and min_hidden must be at least 1, got {reduction} and {min_hidden}")
        self.reduction, self.min_hidden = reduction, min_hidden
        self.start(channels)

    @classmethod
    def conformance_params(cls) -> dict[str, object]:
        """What the contract kit may rely on."""
        return {"arguments": {"channels": 16, "reduction": 4}, "refused": [{"reduction": 0}]}

    def grow(self, channels: int) -> None:
        hidden = max(self.min_hidden, channels // self.reduction)
        self.shared = nn.Sequential(same_conv1d(channels, hidden, 1), nn.BatchNorm1d(hidden), nn.Hardswish())
        self.by_step = same_conv1d(hidden, channels, 1, bias=True)
        self.by_channel = same_conv1d(hidden, channels, 1, bias=True)

    def attend(self, x: Tensor) -> Tensor:
        both = self.shared(torch.cat([x, x.mean(dim=-1, keepdim=True)], dim=-1))  # (batch, hidden, steps + 1)
        return x * self.by_step(both[..., :-1]).sigmoid() * self.by_channel(both[..., -1:]).sigmoid()
