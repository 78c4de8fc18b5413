"""Same-length convolution over time, which can infer its input channels from the first batch.

Initialised as in He et al., "Delving deep into rectifiers", ICCV 2015 (normal, fan-out), whichever way it is sized. Every
convolution of this package is one of these, so how it is computed is decided here alone.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from ecg_backbones.layers.geometry import Geometry

__all__ = ["HeConv1d", "LazyHeConv1d", "same_conv1d", "scaled_kernel"]


class HeConv1d(nn.Conv1d):
    """A convolution with He's initial values; an even kernel pads its odd step on the right."""

    uneven: bool = False

    def reset_parameters(self) -> None:
        """Draw the weights; a bias starts at zero."""
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """``(batch, channels, steps)`` to ``(batch, out_channels, ceil(steps / stride))``."""
        if self.uneven:
            input = F.pad(input, (0, 1))
        if self._is_long_depthwise and not torch.compiler.is_compiling() and input.device.type == "cpu":
            return self._channels_last(input)
        return super().forward(input)

    @property
    def _is_long_depthwise(self) -> bool:
        """Whether the library falls back to its slow road: each channel by itself, with more than 11 taps."""
        striding_backwards = self.stride[0] > 1 and torch.is_grad_enabled()  # slower in the other layout
        return self.groups == self.in_channels > 1 and self.kernel_size[0] > 11 and not striding_backwards

    def _channels_last(self, x: Tensor) -> Tensor:
        """The same convolution as one over two axes, the channels innermost in memory: 2 to 3 times as fast."""
        layout = torch.channels_last
        y = F.conv2d(
            x.unsqueeze(3).contiguous(memory_format=layout),
            self.weight.unsqueeze(3).contiguous(memory_format=layout),
            self.bias,
            stride=(self.stride[0], 1),
            padding=(int(self.padding[0]), 0),
            dilation=(self.dilation[0], 1),
            groups=self.groups,
        )
        return y.squeeze(3).contiguous()

    @property
    def known_channels(self) -> int | None:
        """Channels of the input; ``None`` before the first input, or the saved state, that tells a lazy one.

        They are read off the weight: a state that is loaded sizes it, while ``in_channels`` waits for a first input.
        """
        return None if isinstance(self.weight, UninitializedParameter) else self.weight.shape[1] * self.groups

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind this convolution."""
        return before.then(self.kernel_size[0], stride=self.stride[0], dilation=self.dilation[0])


class LazyHeConv1d(nn.LazyConv1d, HeConv1d):  # type: ignore[misc]  # torch declares `bias` twice
    """A :class:`HeConv1d` that takes its input channels from its first input, and from then on is one."""

    cls_to_become = HeConv1d


def same_conv1d(
    in_channels: int | None,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
    even: bool = False,
) -> HeConv1d:
    """A convolution that gives exactly ``ceil(samples / stride)`` steps for every length.

    With an odd kernel and half of its reach in zeros on both sides, step ``t`` is centred on sample ``stride * t``.

    Args:
        in_channels: Channels of the input; ``None`` infers them from the first input.
        out_channels: Channels of the output.
        kernel_size: Odd kernel length, in samples.
        stride: Samples per step.
        dilation: Samples between taps.
        groups: Groups of channels that do not see each other.
        bias: Whether to add a bias; without, because a normalisation follows.
        even: Allow an even kernel, which looks half a sample ahead: for architectures that were published with one.

    Raises:
        ValueError: The kernel is not a positive odd number of samples, so it has no middle.
    """
    if kernel_size < 1 or (kernel_size % 2 == 0 and not even):
        raise ValueError(f"a same-length convolution needs a positive odd kernel length, got {kernel_size} samples")
    reach = dilation * (kernel_size - 1)
    words: dict[str, Any] = {"stride": stride, "dilation": dilation, "groups": groups, "bias": bias, "padding": reach // 2}
    if in_channels is None:
        made: HeConv1d = LazyHeConv1d(out_channels, kernel_size, **words)
    else:
        made = HeConv1d(in_channels, out_channels, kernel_size, **words)
    if reach % 2:
        made.uneven = True
    return made


def scaled_kernel(kernel_size: int, scale: float) -> int:
    """An odd kernel length for another sampling frequency: ``scale = fs / fs_it_was_made_for``.

    A single sample stays a single sample: it mixes channels and knows no time.

    >>> scaled_kernel(15, 0.5), scaled_kernel(16, 2), scaled_kernel(1, 2)
    (7, 33, 1)
    """
    if scale <= 0:
        raise ValueError(f"kernels are scaled by fs / fs_it_was_made_for, a positive number, got {scale}")
    if kernel_size == 1 or scale == 1:
        return kernel_size
    return max(3, 2 * round((kernel_size * scale - 1) / 2) + 1)
