"""KoLeo: embeddings spread when each is kept away from its nearest neighbour.

Sablayrolles, Douze, Schmid, Jégou, "Spreading vectors for similarity search", ICLR 2019, arXiv:1806.03198, after the entropy
estimate of Kozachenko and Leonenko; a part of DINOv2 (Oquab et al. 2023, arXiv:2304.07193).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ecg_ssl.gather import gather_rows, is_distributed
from ecg_ssl.objectives.info_nce import unit_rows

__all__ = ["koleo"]

_EPS = 1e-8  # to the difference, and again to the distance, as in public


def koleo(z: Tensor) -> Tensor:
    """Mean over the windows of ``-log`` of the distance to the nearest other one, on the unit sphere.

    Which one is nearest counts as a constant; the gradient moves both. Computed in float32, or float64 for such inputs, whatever
    autocast says; over the windows of all processes.

    Args:
        z: ``(batch, width)`` embeddings of different windows, of any length.

    Returns:
        A scalar: ``-log √2`` when all are at right angles, about 18 when all are equal.

    Raises:
        ValueError: The shape is another, or there is a single window, which has no neighbour.
    """
    if z.ndim != 2:
        raise ValueError(f"expected embeddings (batch, width), got {tuple(z.shape)}")
    if len(z) < 2 and not is_distributed():
        raise ValueError(f"a nearest neighbour is another window: at least 2 in a batch, got {len(z)}")
    with torch.autocast(z.device.type, enabled=False):
        units = unit_rows(gather_rows(z))
        with torch.no_grad():
            nearest = (units @ units.T).fill_diagonal_(-2).argmax(dim=1)
        return -(F.pairwise_distance(units, units[nearest], eps=_EPS) + _EPS).log().mean()
