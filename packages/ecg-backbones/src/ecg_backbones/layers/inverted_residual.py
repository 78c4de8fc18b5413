"""Inverted residual: channels are widened, filtered over time each by itself, weighed, and narrowed again.

Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018, arXiv:1801.04381 (figure 4d); with
squeeze-and-excitation: Howard et al., "Searching for MobileNetV3", ICCV 2019, arXiv:1905.02244 (figure 4).
"""

from __future__ import annotations

from torch import Tensor, nn

from ecg_backbones.layers.activations import Activation
from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.squeeze_excite import SqueezeExcite
from ecg_core.layers.transformer import DropPath

__all__ = ["InvertedResidual"]


class InvertedResidual(nn.Module):
    """Pointwise, depthwise, pointwise without an activation; beside the identity where the shape is kept.

    Args:
        in_channels: Channels of the input.
        hidden: Channels of the depthwise convolution; the first pointwise one is left out where they are those of the input.
        out_channels: Channels of the output.
        kernel_size: Odd kernel length of the depthwise convolution, in steps.
        stride: Input steps per output step.
        squeeze: Hidden channels of squeeze-and-excitation behind the depthwise convolution; 0 for none.
        squeeze_bias: Whether its linear layers add biases.
        activation: By name.
        drop_path: Probability that a window skips the block in training.

    Shape:
        ``(batch, in_channels, steps)`` to ``(batch, out_channels, ceil(steps / stride))``
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        out_channels: int,
        *,
        kernel_size: int,
        stride: int = 1,
        squeeze: int = 0,
        squeeze_bias: bool = True,
        activation: Activation = "relu6",
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.widen = nn.Identity() if hidden == in_channels else ConvNormActivation(in_channels, hidden, 1, activation=activation)
        self.depthwise = ConvNormActivation(hidden, hidden, kernel_size, stride=stride, groups=hidden, activation=activation)
        self.weigh = SqueezeExcite(hidden, hidden=squeeze, gate="hardsigmoid", bias=squeeze_bias) if squeeze else nn.Identity()
        self.narrow = ConvNormActivation(hidden, out_channels, 1, activation="none")
        self.adds = stride == 1 and in_channels == out_channels
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        y = self.narrow(self.weigh(self.depthwise(self.widen(x))))
        return x + self.drop_path(y) if self.adds else y

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the block."""
        return self.depthwise.after(before)
