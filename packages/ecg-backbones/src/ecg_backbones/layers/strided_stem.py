"""Strided stem: a few convolutions that each halve the steps, in front of layers that are expensive in steps.

Xiao et al., "Early convolutions help transformers see better", NeurIPS 2021, arXiv:2106.14881.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.geometry import Geometry

__all__ = ["StridedStem"]


class StridedStem(nn.Sequential):
    """Convolutions with a stride of two, each normalised and activated.

    Args:
        in_leads: Leads of the input; ``None`` infers them from the first batch.
        widths: Channels of each convolution.
        kernel_size: Odd kernel length, in steps.

    Shape:
        ``(batch, in_leads, samples)`` to ``(batch, widths[-1], ceil(samples / 2 ** len(widths)))``

    Raises:
        ValueError: There is no convolution, or the kernel is even.
    """

    def __init__(self, in_leads: int | None, widths: Sequence[int], *, kernel_size: int) -> None:
        if not widths:
            raise ValueError("a strided stem needs at least one convolution, got no widths")
        super().__init__()
        channels = in_leads
        for width in widths:
            self.append(ConvNormActivation(channels, width, kernel_size, stride=2))
            channels = width

    @property
    def in_leads(self) -> int | None:
        """Leads the first convolution takes; ``None`` before the first batch of a lazy one."""
        first = self[0]
        assert isinstance(first, ConvNormActivation)
        return first.conv.known_channels

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the stem."""
        for layer in self:
            assert isinstance(layer, ConvNormActivation)
            before = layer.after(before)
        return before
