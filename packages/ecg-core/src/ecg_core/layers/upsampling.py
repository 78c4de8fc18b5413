"""Steps of a feature map into samples: linear between the centres of the steps, constant beyond the outermost."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["steps_to_samples"]


def steps_to_samples(x: Tensor, samples: int, *, stride: float, centre: float = 0.0) -> Tensor:
    """Values per step as values per sample.

    Args:
        x: ``(..., steps)``.
        samples: Length of the signal the steps were computed from.
        stride: Samples from one step to the next.
        centre: Sample (from 0, may be fractional) that step 0 looks at.

    Returns:
        ``(..., samples)``.

    >>> steps_to_samples(torch.tensor([0.0, 4.0]), 6, stride=4)
    tensor([0., 1., 2., 3., 4., 4.])
    """
    position = (torch.arange(samples, dtype=torch.float64, device=x.device) - centre) / stride
    position = position.clamp(min=0).clamp(max=x.shape[-1] - 1)
    left = position.floor().long()
    right = (left + 1).clamp(max=x.shape[-1] - 1)
    return torch.lerp(x[..., left], x[..., right], (position - left).to(x.dtype))
