"""Barlow Twins: the cross-correlation of two views' dimensions is to be the identity.

Zbontar et al., "Barlow Twins: self-supervised learning via redundancy reduction", ICML 2021, arXiv:2103.03230, equations 1 and 2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ecg_ssl.gather import gather_rows
from ecg_ssl.objectives.vicreg import off_diagonal

__all__ = ["BarlowTwinsTerms", "barlow_twins"]


class BarlowTwinsTerms(NamedTuple):
    """How far the diagonal is from one, and the rest from zero; both summed over their entries."""

    invariance: Tensor
    redundancy: Tensor

    def weighted(self, redundancy: float = 0.0051) -> Tensor:
        """Their weighted sum, with the weight of the published code unless given."""
        return self.invariance + redundancy * self.redundancy


def barlow_twins(z_a: Tensor, z_b: Tensor, *, eps: float = 1e-5) -> BarlowTwinsTerms:
    """The terms of two views, each dimension standardised over all processes' windows.

    Args:
        z_a: ``(batch, width)`` projections of the first views.
        z_b: Those of the second views.
        eps: Added to the (biased) variances; a dimension that is constant correlates with nothing.

    Raises:
        ValueError: The shapes differ, or there is a single window, which has no correlation.
    """
    if z_a.shape != z_b.shape or z_a.ndim != 2:
        raise ValueError(f"expected two tensors (batch, width) of one shape, got {tuple(z_a.shape)} and {tuple(z_b.shape)}")
    with torch.autocast(z_a.device.type, enabled=False):
        dtype = torch.promote_types(z_a.dtype, torch.float32)
        a, b = (_standardised(gather_rows(z.to(dtype)), eps) for z in (z_a, z_b))
        if len(a) < 2:
            raise ValueError(f"Barlow Twins needs at least 2 windows in a batch to have a correlation, got {len(a)}")
        correlation = a.T @ b / len(a)
        return BarlowTwinsTerms((correlation.diagonal() - 1).square().sum(), off_diagonal(correlation).square().sum())


def _standardised(z: Tensor, eps: float) -> Tensor:
    z = z - z.mean(dim=0)
    return z * (z.square().mean(dim=0) + eps).rsqrt()
