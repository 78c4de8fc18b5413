"""VICReg: views agree, every dimension varies, no two dimensions say the same.

Bardes, Ponce, LeCun, "VICReg: variance-invariance-covariance regularization for self-supervised learning", ICLR 2022,
arXiv:2105.04906, equations 1 to 6.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ecg_ssl.gather import gather_rows

__all__ = ["VICRegTerms", "off_diagonal", "vicreg"]


class VICRegTerms(NamedTuple):
    """The three terms, unweighted."""

    invariance: Tensor
    variance: Tensor
    covariance: Tensor

    def weighted(self, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0) -> Tensor:
        """Their weighted sum, with the paper's weights unless given."""
        return invariance * self.invariance + variance * self.variance + covariance * self.covariance


def off_diagonal(matrix: Tensor) -> Tensor:
    """The ``n (n - 1)`` entries beside the diagonal of ``(n, n)``."""
    n = len(matrix)
    return matrix.flatten()[:-1].view(n - 1, n + 1)[:, 1:].flatten()


def vicreg(z_a: Tensor, z_b: Tensor, *, target: float = 1.0, eps: float = 1e-4) -> VICRegTerms:
    """The terms of two views, over all processes' windows together.

    Args:
        z_a: ``(batch, width)`` expander outputs of the first views.
        z_b: Those of the second views.
        target: Standard deviation that every dimension is to have.
        eps: Added to the variances.

    Raises:
        ValueError: The shapes differ, or there is a single window, which has no variance.
    """
    if z_a.shape != z_b.shape or z_a.ndim != 2:
        raise ValueError(f"expected two tensors (batch, width) of one shape, got {tuple(z_a.shape)} and {tuple(z_b.shape)}")
    with torch.autocast(z_a.device.type, enabled=False):
        dtype = torch.promote_types(z_a.dtype, torch.float32)
        sides = [gather_rows(z.to(dtype)) for z in (z_a, z_b)]
        if len(sides[0]) < 2:
            raise ValueError(f"VICReg needs at least 2 windows in a batch to have a variance, got {len(sides[0])}")
        invariance = (sides[0] - sides[1]).square().mean()
        sides = [z - z.mean(dim=0) for z in sides]
        spread = [(z.square().sum(dim=0) / (len(z) - 1) + eps).sqrt() for z in sides]
        variance = torch.stack([(target - s).relu().mean() / 2 for s in spread]).sum()
        products = [z.T @ z / (len(z) - 1) for z in sides]
        covariance = torch.stack([off_diagonal(c).square().sum() / len(c) for c in products]).sum()
        return VICRegTerms(invariance, variance, covariance)
