"""Same-length convolution over time, which can infer its input channels from the first batch.

Initialised as in He et al., "Delving deep into rectifiers", ICCV 2015 (normal, fan-out), whichever way it is sized.
"""

from __future__ import annotations

from torch import nn

__all__ = ["HeConv1d", "LazyHeConv1d", "same_conv1d"]


class HeConv1d(nn.Conv1d):
    """A convolution with He's initial values."""

    def reset_parameters(self) -> None:
        """Draw the weights; a bias starts at zero."""
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class LazyHeConv1d(nn.LazyConv1d, HeConv1d):  # type: ignore[misc]  # torch declares `bias` twice
    """A :class:`HeConv1d` that takes its input channels from its first input, and from then on is one."""

    cls_to_become = HeConv1d


def same_conv1d(in_channels: int | None, out_channels: int, kernel_size: int, *, stride: int = 1) -> nn.Conv1d:
    """A convolution without bias that gives exactly ``ceil(samples / stride)`` steps for every length.

    With an odd kernel and ``(kernel_size - 1) / 2`` zeros on both sides, step ``t`` is centred on sample ``stride * t``.

    Args:
        in_channels: Channels of the input; ``None`` infers them from the first input.
        out_channels: Channels of the output.
        kernel_size: Odd kernel length, in samples.
        stride: Samples per step.

    Raises:
        ValueError: The kernel is not a positive odd number of samples, so it has no middle.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"a same-length convolution needs a positive odd kernel length, got {kernel_size} samples")
    padding = kernel_size // 2
    if in_channels is None:
        return LazyHeConv1d(out_channels, kernel_size, stride=stride, padding=padding, bias=False)
    return HeConv1d(in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=False)
