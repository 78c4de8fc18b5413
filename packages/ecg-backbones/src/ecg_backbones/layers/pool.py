"""Pooling over windows of steps, with the arithmetic of its steps: the maximum or the mean."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.max_pool import max_pool

__all__ = ["Pool1d"]


class Pool1d(nn.Module):
    """The maximum, or the mean, of ``kernel_size`` steps around or behind every ``stride``-th.

    Args:
        kernel_size: Steps of a window.
        stride: Steps from one window to the next.
        padding: Steps added on both sides; a mean counts them as zeros. Without, what does not fill a window is left out.
        mode: ``"max"`` or ``"avg"``.

    Shape:
        ``(batch, channels, steps)`` to ``(batch, channels, (steps + 2 * padding - kernel_size) // stride + 1)``

    Raises:
        ValueError: There is no such mode.
    """

    def __init__(self, kernel_size: int, *, stride: int = 2, padding: int = 0, mode: Literal["max", "avg"] = "max") -> None:
        super().__init__()
        if mode not in ("max", "avg"):
            raise ValueError(f"a pooling takes the 'max' or the 'avg', got {mode!r}")
        self.kernel_size, self.stride, self.padding, self.mode = kernel_size, stride, padding, mode

    def forward(self, x: Tensor) -> Tensor:
        """The pooled input."""
        if self.mode == "avg":
            return F.avg_pool1d(x, self.kernel_size, stride=self.stride, padding=self.padding)
        return max_pool(x, self.kernel_size, stride=self.stride, padding=self.padding)

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the pooling."""
        return before.then(self.kernel_size, stride=self.stride, padding=self.padding)
