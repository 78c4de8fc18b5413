"""How far a series drifts: a test of stationarity as a statistic with a gradient.

Kwiatkowski, Phillips, Schmidt, Shin, "Testing the null hypothesis of stationarity against the alternative of a unit root",
Journal of Econometrics 1992, of a level; here of vectors, and the variance of the series stands for its long-run variance.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["drift", "drift_of_any_order"]

_LEAST = 3  # elements: two differ the same way in any order
_FLOOR = 1e-4  # of the mean square: elements that differ by less than a hundredth of their size count as equal


def drift_of_any_order(elements: int) -> float:
    """The mean of :func:`drift` over all orders of the same elements, ``(elements + 1) / (6 elements)``."""
    return (elements + 1) / (6 * elements)


def drift(x: Tensor) -> Tensor:
    """``Σ_t |S_t|² / (elements Σ_t |r_t|²)``, with ``r`` the series less its mean and ``S`` the running sums of ``r``.

    It does not know the scale of a series, hardly its level, and cares for its order: it is large where neighbours lie on the
    same side of the mean, as in a trend, and small where the series comes back at once. Computed in float32, or float64 for such
    inputs, whatever autocast says.

    Args:
        x: ``(series, channels, elements)``, at least three elements.

    Returns:
        ``(series,)`` in float32 or better; 0 of a series whose elements are equal.

    Raises:
        ValueError: The shape is another, or there are fewer than three elements.
    """
    if x.ndim != 3 or x.shape[-1] < _LEAST:
        raise ValueError(f"expected series (series, channels, elements) of at least {_LEAST} elements, got {tuple(x.shape)}")
    with torch.autocast(x.device.type, enabled=False):
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        rest = x - x.mean(dim=2, keepdim=True)
        energy = (rest.square() + _FLOOR * x.square()).sum(dim=(1, 2)) + 1e-12
        return rest.cumsum(dim=2).square().sum(dim=(1, 2)) / (x.shape[2] * energy)
