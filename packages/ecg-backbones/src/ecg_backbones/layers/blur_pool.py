"""Blur before striding, so that a shifted signal gives shifted features.

Zhang, "Making convolutional networks shift-invariant again", ICML 2019, arXiv:1904.11486.

Differs from the paper: the ends are continued by their last value, so that any length down to one step is allowed.
"""

from __future__ import annotations

from math import comb

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d
from ecg_backbones.layers.geometry import Geometry

__all__ = ["AntiAliasedConv1d", "BlurPool1d"]


class BlurPool1d(nn.Module):
    """A fixed binomial low-pass for every channel, then every ``stride``-th step.

    Args:
        stride: Input steps per output step.
        taps: Odd length of the binomial, in steps; 3 is (1, 2, 1) / 4.

    Shape:
        ``(batch, channels, steps)`` to ``(batch, channels, ceil(steps / stride))``

    Raises:
        ValueError: ``taps`` is even, so that the features would move by half a step.
    """

    kernel: Tensor

    def __init__(self, stride: int, *, taps: int = 3) -> None:
        super().__init__()
        if taps < 1 or taps % 2 == 0:
            raise ValueError(f"a blur has an odd number of taps, got {taps}")
        self.stride, self.taps = stride, taps
        binomial = torch.tensor([comb(taps - 1, i) / 2 ** (taps - 1) for i in range(taps)])
        self.register_buffer("kernel", binomial.reshape(1, 1, taps), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The blurred, strided input."""
        channels = x.shape[1]
        x = F.pad(x, (self.taps // 2, self.taps // 2), mode="replicate")
        return F.conv1d(x, self.kernel.to(x.dtype).expand(channels, 1, self.taps), stride=self.stride, groups=channels)

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the blur."""
        return before.then(self.taps, stride=self.stride)


class AntiAliasedConv1d(nn.Module):
    """A convolution over every step, then a blur that strides (figure 2 of the paper; without a stride, no blur).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd kernel length, in steps.
        stride: Input steps per output step.
        groups: Groups of channels that do not see each other.
        bias: Whether the convolution adds a bias.
        taps: Odd length of the blur.

    Shape:
        ``(batch, in_channels, steps)`` to ``(batch, out_channels, ceil(steps / stride))``
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        taps: int = 3,
    ) -> None:
        super().__init__()
        self.conv = same_conv1d(in_channels, out_channels, kernel_size, groups=groups, bias=bias)
        self.blur = BlurPool1d(stride, taps=taps) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """The convolved, blurred input."""
        x = self.conv(x)
        return x if self.blur is None else self.blur(x)

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind convolution and blur."""
        after = self.conv.after(before)
        return after if self.blur is None else self.blur.after(after)
