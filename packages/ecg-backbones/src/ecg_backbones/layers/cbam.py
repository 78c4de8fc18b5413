"""CBAM: a factor for each channel, then a factor for each step.

Woo, Park, Lee, Kweon, "CBAM: convolutional block attention module", ECCV 2018, arXiv:1807.06521.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d
from ecg_backbones.layers.sized import SizedByInput

__all__ = ["CBAM"]


class CBAM(SizedByInput):
    """Channels by one perceptron on their mean and their maximum over time; steps by a convolution over those over channels.

    Args:
        channels: Channels of the input; ``None`` takes them from the first input.
        reduction: Channels per hidden channel of the perceptron.
        kernel_size: Odd kernel length of the step gate, in steps.
        steps: Whether to weigh the steps too.

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    def __init__(self, channels: int | None = None, *, reduction: int = 16, kernel_size: int = 7, steps: bool = True) -> None:
        super().__init__()
        self.reduction = reduction
        self.gate = nn.Sequential(same_conv1d(2, 1, kernel_size), nn.BatchNorm1d(1)) if steps else None
        self.start(channels)

    @classmethod
    def conformance_params(cls) -> dict[str, object]:
        """What the contract kit may rely on."""
        return {"arguments": {"channels": 16, "reduction": 2}, "refused": [{"kernel_size": 4}]}

    def grow(self, channels: int) -> None:
        hidden = max(1, channels // self.reduction)
        self.perceptron = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def attend(self, x: Tensor) -> Tensor:
        factors = self.perceptron(x.mean(dim=-1)) + self.perceptron(x.amax(dim=-1))
        x = x * factors.sigmoid()[..., None]
        if self.gate is None:
            return x
        both = torch.stack([x.amax(dim=1), x.mean(dim=1)], dim=1)  # (batch, 2, steps)
        return x * self.gate(both).sigmoid()
