"""Fixed sin-cos positions: Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.5.

Differs from the paper: sines first and cosines second instead of interleaved, as in MAE (He et al. 2022) and ST-MEM
(Na et al. 2024). The layout is not stored in a checkpoint, so a change here would silently spoil every saved model.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = ["grid_positions", "sincos_positions"]


def sincos_positions(
    count: int, width: int, *, like: Tensor, layout: Literal["concatenated", "interleaved"] = "concatenated"
) -> Tensor:
    """``(count, width)`` positions ``[sin(p ω), cos(p ω)]`` with ``ω_k = 10000^(-k / (width / 2))``.

    Computed in float32 at least, so that half precision does not blur neighbouring positions.

    Args:
        count: Positions 0, 1, …, count - 1.
        width: Channels of a token, even.
        like: A tensor on the device, and of the precision, of the result.
        layout: Sines before cosines, or ``"interleaved"``, as in the paper: ``[sin(p ω_0), cos(p ω_0), sin(p ω_1), …]``.
    """
    dtype = torch.promote_types(like.dtype, torch.float32)
    half = width // 2
    frequency = 1.0 / 10000.0 ** (torch.arange(half, device=like.device, dtype=dtype) / half)
    angle = torch.arange(count, device=like.device, dtype=dtype)[:, None] * frequency  # (count, width / 2)
    if layout == "interleaved":
        return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def grid_positions(leads: int, times: int, width: int, *, like: Tensor) -> Tensor:
    """``(leads * times, width)`` positions on a grid, lead by lead: half of the channels tell the time, half the lead.

    As for images in MAE, with time for the column and the lead for the row. A grid of one lead, or of one time, is a line
    and has the positions of :func:`sincos_positions`.

    Args:
        leads: Rows of the grid.
        times: Columns of the grid.
        width: Channels of a token, a multiple of 4 unless the grid is a line.
        like: A tensor on the device, and of the precision, of the result.
    """
    if leads == 1 or times == 1:
        return sincos_positions(leads * times, width, like=like)
    time = sincos_positions(times, width // 2, like=like).expand(leads, -1, -1)
    lead = sincos_positions(leads, width // 2, like=like)[:, None].expand(-1, times, -1)
    return torch.cat([time, lead], dim=2).flatten(0, 1)
