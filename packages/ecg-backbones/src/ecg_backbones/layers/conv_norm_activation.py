"""Convolution, normalisation, activation: the brick most convolutional networks are laid from."""

from __future__ import annotations

from torch import Tensor, nn

from ecg_backbones.layers.activations import Activation, activation_layer
from ecg_backbones.layers.convolution import same_conv1d
from ecg_backbones.layers.geometry import Geometry

__all__ = ["ConvNormActivation"]


class ConvNormActivation(nn.Module):
    """Same-length convolution, batch normalisation, activation (Ioffe and Szegedy 2015), in this order.

    Args:
        in_channels: Channels of the input; ``None`` infers them from the first input.
        out_channels: Channels of the output.
        kernel_size: Odd kernel length, in steps.
        stride: Input steps per output step.
        dilation: Steps between taps.
        groups: Groups of channels that do not see each other.
        bias: Whether the convolution adds a bias; the normalisation's makes it superfluous.
        norm: Whether to normalise.
        activation: By name; ``"none"`` leaves it out.
        slope: Of ``"leaky_relu"`` below zero.
        even: Allow an even kernel.
        eps: Added to the variance in the normalisation.
        momentum: Share of a new batch in the running statistics.

    Shape:
        ``(batch, in_channels, steps)`` to ``(batch, out_channels, ceil(steps / stride))``
    """

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        norm: bool = True,
        activation: Activation = "relu",
        slope: float = 0.01,
        even: bool = False,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        self.conv = same_conv1d(
            in_channels, out_channels, kernel_size, stride=stride, dilation=dilation, groups=groups, bias=bias, even=even
        )
        self.norm = nn.BatchNorm1d(out_channels, eps=eps, momentum=momentum) if norm else nn.Identity()
        self.activation = activation_layer(activation, slope=slope, overwrite=True)

    def forward(self, x: Tensor) -> Tensor:
        """The activated output."""
        return self.activation(self.norm(self.conv(x)))

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the convolution."""
        return self.conv.after(before)
