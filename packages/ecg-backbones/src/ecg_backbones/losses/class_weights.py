"""Weights for classes of unequal size, from the numbers of their examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["class_weights"]


def class_weights(counts: Sequence[float], *, beta: float = 1.0) -> list[float]:
    """One weight per class, of mean 1, the larger the rarer the class.

    Args:
        counts: Examples of each class, at least 1 each.
        beta: 1 weighs by the inverse number of examples; below 1 by the inverse of Cui et al.'s effective number,
            ``(1 - beta^n) / (1 - beta)`` ("Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019);
            0 weighs all classes the same.

    Raises:
        ValueError: A class has no example, or ``beta`` is outside [0, 1].

    >>> class_weights([100, 300])
    [1.5, 0.5]
    """
    numbers = np.asarray(counts, dtype=np.float64)
    if numbers.ndim != 1 or not numbers.size or not (numbers >= 1).all():
        raise ValueError(f"counts must hold at least one example of every class, got {list(counts)!r}; leave empty classes out")
    if not 0 <= beta <= 1:
        raise ValueError(f"beta must lie in [0, 1], got {beta!r}")
    # expm1 and log1p, because beta^n is nearly 1 for the betas in use and the difference would lose its digits.
    effective = numbers if beta == 1 else (numbers**0 if beta == 0 else -np.expm1(numbers * np.log(beta)) / (1 - beta))
    weights = 1 / effective
    return [float(w) for w in weights / weights.mean()]
