"""Two views of a window contrasted step by step: over the windows of a batch, and over the steps of a window.

Yue et al., "TS2Vec: towards universal representation of time series", AAAI 2022, arXiv:2106.10466, equations 1 and 2.
Similarities are inner products, without a temperature.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["instance_contrast", "temporal_contrast"]


def instance_contrast(a: Tensor, b: Tensor) -> Tensor:
    """At every step a window finds its other view among both views of all windows.

    Args:
        a: ``(windows, channels, steps)`` features of the first views.
        b: Those of the second.

    Returns:
        The mean over steps and views, a scalar in float32 or better; 0 for a single window, which has no negatives.

    Raises:
        ValueError: The shapes differ.
    """
    _check(a, b)
    return _partners(torch.cat([a, b]).permute(2, 0, 1)).mean()


def temporal_contrast(a: Tensor, b: Tensor) -> Tensor:
    """In every window a step finds itself in the other view among all steps of both views.

    Args:
        a: ``(windows, channels, steps)`` features of the first views.
        b: Those of the second.

    Returns:
        ``(windows,)`` means over steps and views, in float32 or better; 0 for a single step, which has no negatives.

    Raises:
        ValueError: The shapes differ.
    """
    _check(a, b)
    return _partners(torch.cat([a, b], dim=2).transpose(1, 2)).mean(dim=1)


def _partners(z: Tensor) -> Tensor:
    """``(groups, 2n, channels)``, of which ``i`` and ``i + n`` belong together, to the errors ``(groups, 2n)``."""
    with torch.autocast(z.device.type, enabled=False):
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        count = z.shape[1]
        itself = torch.eye(count, dtype=torch.bool, device=z.device)
        logits = (z @ z.transpose(1, 2)).masked_fill(itself, -math.inf)
        partner = torch.arange(count, device=z.device).roll(count // 2).expand(len(z), -1)
        return F.cross_entropy(logits.flatten(0, 1), partner.flatten(), reduction="none").unflatten(0, (len(z), count))


def _check(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape or a.ndim != 3:
        raise ValueError(
            f"expected two tensors (windows, channels, steps) of one shape, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
