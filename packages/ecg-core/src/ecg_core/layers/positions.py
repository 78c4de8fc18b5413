"""Fixed sin-cos positions: Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.5.

Differs from the paper: sines first and cosines second instead of interleaved, as in MAE (He et al. 2022) and ST-MEM
(Na et al. 2024). The layout is not stored in a checkpoint, so a change here would silently spoil every saved model.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["sincos_positions"]


def sincos_positions(count: int, width: int, *, like: Tensor) -> Tensor:
    """``(count, width)`` positions ``[sin(p ω), cos(p ω)]`` with ``ω_k = 10000^(-k / (width / 2))``.

    Computed in float32 at least, so that half precision does not blur neighbouring positions.

    Args:
        count: Positions 0, 1, …, count - 1.
        width: Channels of a token, even.
        like: A tensor on the device, and of the precision, of the result.
    """
    dtype = torch.promote_types(like.dtype, torch.float32)
    half = width // 2
    frequency = 1.0 / 10000.0 ** (torch.arange(half, device=like.device, dtype=dtype) / half)
    angle = torch.arange(count, device=like.device, dtype=dtype)[:, None] * frequency  # (count, width / 2)
    return torch.cat([angle.sin(), angle.cos()], dim=1)
