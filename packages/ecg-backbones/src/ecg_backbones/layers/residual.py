"""Residual blocks over time: the basic one, and the one with a bottleneck.

He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016, arXiv:1512.03385 (figure 5, option B
shortcuts). The bottleneck strides in its long convolution (ResNet-B), pooled shortcuts are those of ResNet-D: He, Zhang,
Zhang, Zhang, Xie, Li, "Bag of tricks for image classification", CVPR 2019, arXiv:1812.01187.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from ecg_backbones.layers.activations import Activation, activation_layer
from ecg_backbones.layers.blur_pool import AntiAliasedConv1d
from ecg_backbones.layers.convolution import HeConv1d, same_conv1d
from ecg_backbones.layers.down_sample import DownSample
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.separable import SeparableConv1d
from ecg_core.layers.transformer import DropPath

__all__ = ["BasicBlock", "BlockOptions", "Bottleneck", "Convolution", "Shortcut"]

Convolution = Literal["plain", "separable", "anti_aliased"]
Shortcut = Literal["conv", "max", "avg", "blur"]


@dataclass(frozen=True)
class BlockOptions:
    """What the blocks of a stage have in common.

    Args:
        convolution: Kind of the convolutions that are longer than one step.
        shortcut: How a shortcut strides: in its convolution, or in a pooling before it.
        groups: Groups of channels of the long convolutions.
        pointwise_groups: Groups of channels of convolutions of one step.
        attention: Makes the attention layer for a number of channels; ``None`` for no attention.
        attention_at: Attention of a bottleneck on its ``"end"``, before the sum, or on its ``"neck"``; of a basic block it is
            always on the end.
        activation: By name.
        slope: Of ``"leaky_relu"`` below zero.
        dropout: Probability of zeroing an activation in training.
    """

    convolution: Convolution = "plain"
    shortcut: Shortcut = "conv"
    groups: int = 1
    pointwise_groups: int = 1
    attention: Callable[[int], nn.Module] | None = None
    attention_at: Literal["end", "neck"] = "end"
    activation: Activation = "relu"
    slope: float = 0.01
    dropout: float = 0.0

    def conv(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1
    ) -> HeConv1d | SeparableConv1d | AntiAliasedConv1d:
        """A long convolution."""
        if self.convolution == "separable" and kernel_size > 1:
            return SeparableConv1d(in_channels, out_channels, kernel_size, stride=stride, groups=self.groups)
        if self.convolution == "anti_aliased":
            return AntiAliasedConv1d(in_channels, out_channels, kernel_size, stride=stride, groups=self.groups)
        return same_conv1d(in_channels, out_channels, kernel_size, stride=stride, groups=self.groups)

    def pointwise(self, in_channels: int, out_channels: int, *, stride: int = 1) -> HeConv1d:
        """A convolution of one step."""
        return same_conv1d(in_channels, out_channels, 1, stride=stride, groups=self.pointwise_groups)

    def attend(self, channels: int, at: str) -> nn.Module:
        """The attention layer at this place, if there is one."""
        return nn.Identity() if self.attention is None or self.attention_at != at else self.attention(channels)

    def shortcut_of(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        """The input, with the block's channels and steps."""
        if self.shortcut == "conv":
            if stride == 1 and in_channels == out_channels:
                return nn.Identity()
            return nn.Sequential(self.pointwise(in_channels, out_channels, stride=stride), nn.BatchNorm1d(out_channels))
        parts: list[nn.Module] = []
        if stride > 1:
            parts.append(DownSample(stride, self.shortcut, taps=7))
        if in_channels != out_channels:
            parts += [self.pointwise(in_channels, out_channels), nn.BatchNorm1d(out_channels)]
        return nn.Sequential(*parts) if parts else nn.Identity()


def _after_shortcut(shortcut: nn.Module, before: Geometry) -> Geometry:
    """The time axis behind a shortcut."""
    for part in shortcut.children():
        if isinstance(part, (DownSample, HeConv1d)):
            before = part.after(before)
    return before


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut (He et al. 2016, figure 5 left).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd kernel length of both convolutions, in steps.
        stride: Input steps per output step.
        options: What it shares with the other blocks.
        drop_path: Probability that a window skips the block in training (stochastic depth).

    Shape:
        ``(batch, in_channels, steps)`` to ``(batch, out_channels, ceil(steps / stride))``
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        stride: int = 1,
        options: BlockOptions | None = None,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        options = BlockOptions() if options is None else options
        self.conv1 = options.conv(in_channels, out_channels, kernel_size, stride=stride)
        self.norm1 = nn.BatchNorm1d(out_channels)
        self.conv2 = options.conv(out_channels, out_channels, kernel_size)
        self.norm2 = nn.BatchNorm1d(out_channels)
        self.activation = activation_layer(options.activation, slope=options.slope)
        self.dropout = nn.Dropout(options.dropout)
        self.attention = nn.Identity() if options.attention is None else options.attention(out_channels)
        self.drop_path = DropPath(drop_path)
        self.shortcut = options.shortcut_of(in_channels, out_channels, stride)

    @property
    def last_norm(self) -> nn.BatchNorm1d:
        """The normalisation before the sum."""
        return self.norm2

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        y = self.dropout(self.activation(self.norm1(self.conv1(x))))
        y = self.attention(self.norm2(self.conv2(y)))
        return self.dropout(self.activation(self.drop_path(y) + self.shortcut(x)))

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the block."""
        return self.conv2.after(self.conv1.after(before)).joined([_after_shortcut(self.shortcut, before)])


class Bottleneck(nn.Module):
    """Fewer channels, a long convolution on them, and the block's channels again (He et al. 2016, figure 5 right).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        neck: Channels of the long convolution.
        kernel_size: Odd kernel length of the long convolution, in steps.
        stride: Input steps per output step.
        options: What it shares with the other blocks.
        drop_path: Probability that a window skips the block in training (stochastic depth).

    Shape:
        ``(batch, in_channels, steps)`` to ``(batch, out_channels, ceil(steps / stride))``
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        neck: int,
        kernel_size: int,
        stride: int = 1,
        options: BlockOptions | None = None,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        options = BlockOptions() if options is None else options
        self.conv1 = options.pointwise(in_channels, neck)
        self.norm1 = nn.BatchNorm1d(neck)
        self.conv2 = options.conv(neck, neck, kernel_size, stride=stride)
        self.norm2 = nn.BatchNorm1d(neck)
        self.neck_attention = options.attend(neck, "neck")
        self.conv3 = options.pointwise(neck, out_channels)
        self.norm3 = nn.BatchNorm1d(out_channels)
        self.activation = activation_layer(options.activation, slope=options.slope)
        self.dropout = nn.Dropout(options.dropout)
        self.attention = options.attend(out_channels, "end")
        self.drop_path = DropPath(drop_path)
        self.shortcut = options.shortcut_of(in_channels, out_channels, stride)

    @property
    def last_norm(self) -> nn.BatchNorm1d:
        """The normalisation before the sum."""
        return self.norm3

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        y = self.dropout(self.activation(self.norm1(self.conv1(x))))
        y = self.dropout(self.neck_attention(self.activation(self.norm2(self.conv2(y)))))
        y = self.attention(self.norm3(self.conv3(y)))
        return self.dropout(self.activation(self.drop_path(y) + self.shortcut(x)))

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the block."""
        return self.conv2.after(before).joined([_after_shortcut(self.shortcut, before)])
