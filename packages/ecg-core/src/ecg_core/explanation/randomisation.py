"""Sanity check of an explanation: it should change when the network's weights are replaced by random ones.

Adebayo et al. 2018, "Sanity Checks for Saliency Maps", arXiv:1810.03292: compare the map of the trained network with the map
of the same network after its head, then its deeper layers, were randomised. A high similarity means that the picture shows the
recording and not what the network learned.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["similarity"]


def similarity(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Spearman's rank correlation of two maps of one shape: 1 same order, 0 unrelated, -1 reversed.

    NaN when a map is constant, because it then has no order.

    >>> similarity([0.0, 0.2, 0.9], [1.0, 4.0, 5.0])
    1.0
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape or not first.size:
        raise ValueError(f"maps must have one shape and be not empty, got {first.shape} and {second.shape}")
    x, y = _centred_ranks(first.ravel()), _centred_ranks(second.ravel())
    spread = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / spread) if spread > 0 else float("nan")


def _centred_ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ranks around their mean; tied values share the mean of their ranks."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    return np.asarray(mean_rank[place] - (len(values) + 1) / 2, dtype=np.float64)
