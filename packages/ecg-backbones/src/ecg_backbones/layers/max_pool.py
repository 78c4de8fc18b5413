"""Maximum over time, for every length: also in an exported program."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["max_pool"]


def max_pool(x: Tensor, kernel_size: int, *, stride: int | None = None, padding: int = 0) -> Tensor:
    """The maximum of every ``kernel_size`` steps.

    Args:
        x: ``(batch, channels, steps)``.
        kernel_size: Steps in a window.
        stride: Steps from one window to the next; ``None`` means ``kernel_size``. What does not fill a window is left out.
        padding: Steps added on both sides, which are never the maximum.
    """
    if torch.compiler.is_compiling():
        # Asked for its indices, the pooling accepts any length in an exported program; without, only the traced one.
        return F.max_pool1d(x, kernel_size, stride=stride, padding=padding, return_indices=True)[0]
    return F.max_pool1d(x, kernel_size, stride=stride, padding=padding)  # without indices it is several times faster
