"""First codes of a codebook on the unit sphere: k-means by cosine.

Dhillon & Modha, "Concept decompositions for large sparse text data using clustering", Machine Learning 2001.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["spherical_codes"]

_AT_ONCE = 1 << 24  # similarities that are held in memory together


@torch.no_grad()
def spherical_codes(points: Tensor, codes: int, *, seed: int = 0, iterations: int = 10) -> Tensor:
    """Directions that stand for those of the points.

    Begun at points drawn without replacement; where there are fewer points than codes, the others are random directions, which
    wait for their first input. Torch's global generator is left alone.

    Args:
        points: ``(points, width)``, one at least.
        codes: How many.
        seed: Of what is drawn.
        iterations: How often every code moves to the mean direction of the points that are nearest to it.

    Returns:
        ``(codes, width)`` of unit length.
    """
    generator = torch.Generator().manual_seed(seed)
    points = F.normalize(points.detach().float(), dim=-1)
    random = torch.randn(codes, points.shape[1], generator=generator)
    order = torch.randperm(len(points), generator=generator)[:codes]
    found = F.normalize(random, dim=-1).to(points)
    found[: len(order)] = points[order.to(points.device)]
    for _ in range(iterations):
        number = torch.cat([(part @ found.T).argmax(dim=-1) for part in points.split(max(1, _AT_ONCE // codes))])
        sums = torch.zeros_like(found).index_add_(0, number, points)
        chosen = torch.bincount(number, minlength=codes)[:, None] > 0
        found = torch.where(chosen, F.normalize(sums, dim=-1), found)
    return found
