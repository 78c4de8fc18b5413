"""K-means, the same on every run: its only randomness is a seed of its own.

Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 1982; Arthur & Vassilvitskii, "k-means++", SODA 2007.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Clustering", "kmeans", "nearest"]

_AT_ONCE = 1 << 24  # distances that are held in memory together


class Clustering(NamedTuple):
    """Clusters and how they are used."""

    centres: Tensor
    """``(clusters, values)``."""
    counts: Tensor
    """``(clusters,)`` int64: points of each."""
    inertia: float
    """Mean squared distance of a point from its centre."""

    @property
    def perplexity(self) -> float:
        """Clusters in use: from 1 to all of them, when all hold equally many points."""
        share = self.counts.double() / self.counts.sum().clamp(min=1)
        return float(torch.exp(torch.special.entr(share).sum()))


def nearest(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest centre of every point and the squared distance from it, ``(points,)`` each; of equal ones the first."""
    length = centres.square().sum(dim=1)
    which, distance = [], []
    for part in points.split(max(1, _AT_ONCE // len(centres))):
        least, at = (length - 2 * part @ centres.T).min(dim=1)
        which.append(at)
        distance.append((least + part.square().sum(dim=1)).clamp(min=0))
    return torch.cat(which), torch.cat(distance)


@torch.no_grad()
def kmeans(points: Tensor, clusters: int, *, seed: int = 0, iterations: int = 50) -> Clustering:
    """Clusters of points, begun as k-means++ and refined until no point changes its cluster.

    A cluster that loses all its points takes the point that is farthest from its centre. Computed in float64.

    Args:
        points: ``(points, values)``.
        clusters: How many.
        seed: Of the first centres; torch's global generator is left alone.
        iterations: At most.

    Raises:
        ValueError: There are fewer points than clusters, or a value is not finite.
    """
    if points.ndim != 2 or not 1 <= clusters <= len(points):
        raise ValueError(
            f"{clusters} clusters need as many points (points, values), got {tuple(points.shape)}; give more windows"
        )
    if not bool(torch.isfinite(points).all()):
        raise ValueError("a value of the points is not finite; interpolate gaps before clusters are made")
    data = points.detach().double()
    centres = _spread(data, clusters, torch.Generator().manual_seed(seed))
    which, distance = nearest(data, centres)
    for _ in range(iterations):
        centres = _means(data, which, distance, clusters)
        now, distance = nearest(data, centres)
        if torch.equal(now, which):
            break
        which = now
    return Clustering(centres.to(points.dtype), torch.bincount(which, minlength=clusters), float(distance.mean()))


def _spread(data: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    """First centres: points drawn in proportion to their squared distance from those already drawn."""
    draws = torch.rand(clusters, generator=generator, dtype=torch.float64).tolist()
    chosen = [int(draws[0] * len(data))]
    distance = (data - data[chosen[0]]).square().sum(dim=1)
    for draw in draws[1:]:
        total = distance.cumsum(dim=0)
        # All points drawn already, or equal to one that is: any will do, and the first loses no point that counts.
        place = int(torch.searchsorted(total, draw * total[-1], right=True).clamp(max=len(data) - 1)) if total[-1] > 0 else 0
        chosen.append(place)
        distance = distance.minimum((data - data[place]).square().sum(dim=1))
    return data[chosen]


def _means(data: Tensor, which: Tensor, distance: Tensor, clusters: int) -> Tensor:
    counts = torch.bincount(which, minlength=clusters)
    centres = torch.zeros(clusters, data.shape[1], dtype=data.dtype, device=data.device).index_add_(0, which, data)
    centres /= counts.clamp(min=1)[:, None]
    empty = (counts == 0).nonzero().flatten()
    if len(empty):
        centres[empty] = data[distance.argsort(descending=True, stable=True)[: len(empty)]]
    return centres
