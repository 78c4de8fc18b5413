"""Separable convolution: each channel over time by itself, then all channels at each step.

Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017, arXiv:1610.02357.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d
from ecg_backbones.layers.geometry import Geometry

__all__ = ["SeparableConv1d"]


class SeparableConv1d(nn.Module):
    """A depthwise convolution, then a pointwise one.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd kernel length of the depthwise convolution, in steps.
        stride: Input steps per output step.
        groups: Groups of channels that the pointwise convolution keeps apart.
        bias: Whether both add a bias.

    Shape:
        ``(batch, in_channels, steps)`` to ``(batch, out_channels, ceil(steps / stride))``
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1, bias: bool = False
    ) -> None:
        super().__init__()
        self.depthwise = same_conv1d(in_channels, in_channels, kernel_size, stride=stride, groups=in_channels, bias=bias)
        self.pointwise = same_conv1d(in_channels, out_channels, 1, groups=groups, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """The convolved input."""
        return self.pointwise(self.depthwise(x))

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind both convolutions."""
        return self.depthwise.after(before)
