"""The first layers of a ResNet: from leads and samples to channels and steps, with few steps left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import nn

from ecg_backbones.layers.activations import Activation, activation_layer
from ecg_backbones.layers.convolution import HeConv1d, same_conv1d
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.pool import Pool1d
from ecg_backbones.layers.space_to_depth import SpaceToDepth

__all__ = ["Stem"]


class Stem(nn.Sequential):
    """Convolutions, each normalised and activated, and a pooling; or samples folded into channels, and one convolution.

    Args:
        in_leads: Leads of the input; ``None`` infers them from the first batch.
        widths: Channels of each convolution.
        form: ``"conv"`` or ``"space_to_depth"``, which folds 4 samples and mixes them at each step, without a pooling.
        kernel_size: Odd kernel length of the convolutions, in samples.
        strides: Samples per step of the first convolution, and steps per step of the pooling.
        groups: Groups of channels that do not see each other.
        activation: By name.
        slope: Of ``"leaky_relu"`` below zero.

    Shape:
        ``(batch, in_leads, samples)`` to ``(batch, widths[-1], ceil(samples / stride))``
    """

    def __init__(
        self,
        in_leads: int | None,
        widths: Sequence[int],
        *,
        form: Literal["conv", "space_to_depth"] = "conv",
        kernel_size: int = 15,
        strides: tuple[int, int] = (2, 2),
        groups: int = 1,
        activation: Activation = "relu",
        slope: float = 0.01,
    ) -> None:
        folded = form == "space_to_depth"
        parts: list[nn.Module] = [SpaceToDepth(4)] if folded else []
        inputs = 4 * in_leads if folded and in_leads is not None else in_leads
        for number, width in enumerate(widths):
            stride = strides[0] if number == 0 and not folded else 1
            conv = same_conv1d(inputs, width, 1 if folded else kernel_size, stride=stride, groups=groups)
            parts += [conv, nn.BatchNorm1d(width), activation_layer(activation, slope=slope)]
            inputs = width
        if strides[1] > 1 and not folded:
            parts.append(Pool1d(3, stride=strides[1], padding=1))
        super().__init__(*parts)

    @property
    def in_leads(self) -> int | None:
        """Leads of one group; ``None`` before the first batch of a lazy stem."""
        first = next(part for part in self if isinstance(part, HeConv1d))
        if first.known_channels is None:
            return None
        return first.known_channels // first.groups // (4 if isinstance(self[0], SpaceToDepth) else 1)

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the stem."""
        for part in self:
            if isinstance(part, (SpaceToDepth, HeConv1d, Pool1d)):
                before = part.after(before)
        return before
