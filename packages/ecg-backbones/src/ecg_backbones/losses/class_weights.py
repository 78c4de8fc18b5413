"""Weights for classes of unequal size, from the numbers of their examples."""

from __future__ import annotations

from collections.abc import Sequence
from math import expm1, log

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
    numbers = [float(count) for count in counts]
    if not numbers or not all(number >= 1 for number in numbers):
        raise ValueError(f"counts must hold at least one example of every class, got {list(counts)!r}; leave empty classes out")
    if not 0 <= beta <= 1:
        raise ValueError(f"beta must lie in [0, 1], got {beta!r}")
    weights = [1 / _effective(number, beta) for number in numbers]
    mean = sum(weights) / len(weights)
    return [weight / mean for weight in weights]


def _effective(number: float, beta: float) -> float:
    """How many examples ``number`` of them are worth."""
    if beta in (0, 1):
        return number if beta else 1.0
    # expm1, because beta^n is nearly 1 for the betas in use and the difference would lose its digits.
    return -expm1(number * log(beta)) / (1 - beta)
