"""BYOL's regression: predictions must point where the targets point.

Grill et al., "Bootstrap your own latent", NeurIPS 2020, arXiv:2006.07733, equation 2: the squared distance of unit vectors,
``2 - 2 cos``, between 0 (same direction) and 4 (opposite).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ecg_ssl.objectives.info_nce import unit_rows

__all__ = ["cosine_distance"]


def cosine_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over the batch of ``2 - 2 cos(prediction, target)``; no gradient flows into the target.

    Args:
        prediction: ``(batch, width)``, of any length.
        target: The same shape.

    Raises:
        ValueError: The shapes differ.
    """
    if prediction.shape != target.shape or prediction.ndim != 2:
        raise ValueError(
            f"expected two tensors (batch, width) of one shape, got {tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    with torch.autocast(prediction.device.type, enabled=False):
        return (2 - 2 * (unit_rows(prediction) * unit_rows(target.detach())).sum(dim=1)).mean()
