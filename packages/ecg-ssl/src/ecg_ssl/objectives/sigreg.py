"""SIGReg: how far embeddings are from an isotropic Gaussian, by their projections on random directions.

Balestriero, LeCun, "LeJEPA: provable and scalable self-supervised learning without the heuristics", 2025, arXiv:2511.08544: the
statistic of Epps and Pulley (1983) on each projection, integrated by the trapezoid rule over the knots.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["random_directions", "sigreg"]

_MOST = 1 << 24  # values held at once: 64 MiB of float32


def random_directions(width: int, count: int, *, seed: int, like: Tensor) -> Tensor:
    """``(width, count)`` unit columns that depend on the seed alone, so that they are the same in every process."""
    generator = torch.Generator().manual_seed(seed & 0x7FFF_FFFF_FFFF_FFFF)
    drawn = torch.randn(width, count, generator=generator)
    return (drawn / drawn.norm(dim=0)).to(like)


def sigreg(embeddings: Tensor, directions: Tensor, *, knots: int = 17, reach: float = 3.0) -> Tensor:
    """Mean over views and directions of ``windows · Σ_t w_t |φ̂(t) - exp(-t² / 2)|²``, φ̂ the empirical characteristic function.

    Args:
        embeddings: ``(views, windows, width)``, not normalised: the target is a standard normal distribution.
        directions: ``(width, count)``; columns are brought to length one.
        knots: Of the integral from 0 to ``reach``, mirrored.
        reach: See ``knots``.

    Returns:
        A scalar in float32 or better. It grows with the number of windows, as a test statistic does.

    Raises:
        ValueError: Shapes do not fit.
    """
    if embeddings.ndim != 3 or directions.ndim != 2 or embeddings.shape[2] != directions.shape[0]:
        raise ValueError(
            f"expected embeddings (views, windows, width) and directions (width, count), got {tuple(embeddings.shape)} and "
            f"{tuple(directions.shape)}"
        )
    with torch.autocast(embeddings.device.type, enabled=False):
        z = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
        columns = directions.to(z) / directions.to(z).norm(dim=0)
        t = torch.linspace(0, reach, knots, dtype=z.dtype, device=z.device)
        normal = torch.exp(-t.square() / 2)
        weights = torch.full_like(t, 2 * reach / (knots - 1))
        weights[[0, -1]] /= 2
        weights = weights * normal
        together = max(1, _MOST // (z.shape[0] * z.shape[1] * knots))
        parts = []
        for some in columns.split(together, dim=1):
            angles = (z @ some)[..., None] * t  # (views, windows, directions, knots)
            error = (angles.cos().mean(dim=1) - normal).square() + angles.sin().mean(dim=1).square()
            parts.append((error @ weights).sum(dim=1))
        return z.shape[1] * torch.stack(parts).sum(dim=0).mean() / columns.shape[1]
