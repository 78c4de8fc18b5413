"""Repetition: every step so often that a coarse map is as long as a finer one."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["repeated_to"]


def repeated_to(x: Tensor, steps: int) -> Tensor:
    """``(..., coarse)`` to ``(..., steps)``: each step ``steps // coarse`` times, and the last one up to the end.

    Where a halving left out an odd step, the nearest neighbours of ``torch.nn.functional.interpolate`` shift along the window by
    up to half a coarse step; here a step stays over the samples it was made of, whatever the length of the window.
    """
    coarse = x.shape[-1]
    return x[..., (torch.arange(steps, device=x.device) // (steps // coarse)).clamp(max=coarse - 1)]
