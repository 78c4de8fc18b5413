"""Selective kernel: each channel chooses, window by window, how long its kernel is.

Li, Wang, Hu, Yang, "Selective kernel networks", CVPR 2019, arXiv:1903.06586.

Differs from the paper: the compact descriptor is not batch-normalised, so that a batch may hold one window.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.sized import SizedByInput

__all__ = ["SelectiveKernel"]


class SelectiveKernel(SizedByInput):
    """Branches of different kernel lengths, mixed for each channel by a softmax over the branches.

    Args:
        channels: Channels of the input; ``None`` takes them from the first input.
        kernel_sizes: Odd kernel length of each branch, in steps.
        groups: Groups of channels in the branches; ``None`` means one group per channel.
        reduction: Channels per channel of the compact descriptor.
        min_hidden: Least number of channels of it.

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    def __init__(
        self,
        channels: int | None = None,
        *,
        kernel_sizes: Sequence[int] = (3, 5),
        groups: int | None = None,
        reduction: int = 16,
        min_hidden: int = 32,
    ) -> None:
        super().__init__()
        if len(kernel_sizes) < 2:
            raise ValueError(f"there is nothing to select from fewer than two kernels, got kernel_sizes={tuple(kernel_sizes)}")
        self.kernel_sizes, self.groups = tuple(kernel_sizes), groups
        self.reduction, self.min_hidden = reduction, min_hidden
        self.start(channels)

    @classmethod
    def conformance_params(cls) -> dict[str, object]:
        """What the contract kit may rely on."""
        return {"arguments": {"channels": 16, "min_hidden": 4}, "refused": [{"kernel_sizes": (3,)}]}

    def grow(self, channels: int) -> None:
        groups = channels if self.groups is None else self.groups
        hidden = max(self.min_hidden, channels // self.reduction)
        self.branches = nn.ModuleList(ConvNormActivation(channels, channels, k, groups=groups) for k in self.kernel_sizes)
        self.squeeze = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU())
        self.select = nn.Linear(hidden, channels * len(self.kernel_sizes))

    def attend(self, x: Tensor) -> Tensor:
        branches = torch.stack([branch(x) for branch in self.branches], dim=1)  # (batch, branches, channels, steps)
        wanted = self.select(self.squeeze(branches.sum(dim=1).mean(dim=-1)))
        weights = wanted.unflatten(1, (len(self.kernel_sizes), -1)).softmax(dim=1)  # (batch, branches, channels)
        return (branches * weights[..., None]).sum(dim=1)
