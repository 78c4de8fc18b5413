"""Repetition: a coarse map brought to the steps of a finer one by repeating its steps (nearest-neighbour upsampling)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["repeated_to"]


def repeated_to(x: Tensor, steps: int) -> Tensor:
    """``(..., coarse)`` to ``(..., steps)``: step ``t`` is a copy of step ``floor(t * coarse / steps)``.

    The values of ``torch.nn.functional.interpolate(mode="nearest")``, also in an exported program that is given a single
    coarse step.
    """
    return x[..., torch.arange(steps, device=x.device) * x.shape[-1] // steps]
