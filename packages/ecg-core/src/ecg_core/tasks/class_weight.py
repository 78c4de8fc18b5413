"""Class weights: in the cross-entropy rare classes count more, by how many examples of each class there are.

``"balanced"`` weighs by the inverse number of examples (King and Zeng, "Logistic regression in rare events data", Political
Analysis 9, 2001), ``"sqrt"`` by the root of it (Mahajan et al., "Exploring the limits of weakly supervised pretraining",
ECCV 2018), which is gentler where a class has a thousand times the examples of another.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from ecg_core.errors import ConfigError

__all__ = ["ClassWeight", "check_class_weight", "exclusive_weights", "positive_weights"]

ClassWeight = Literal["balanced", "sqrt"]
_POWERS: dict[str, float] = {"balanced": 1.0, "sqrt": 0.5}


def check_class_weight(kind: str) -> None:
    """Raise where there is no such kind of weights.

    Raises:
        ConfigError: It is none of :data:`ClassWeight`.
    """
    if kind not in _POWERS:
        raise ConfigError(f"class_weight must be {' or '.join(get_args(ClassWeight))}, or left out, got {kind!r}")


def exclusive_weights(kind: ClassWeight, counts: np.ndarray) -> np.ndarray:
    """Of classes of which each example is exactly one: of mean 1 over the examples, so that the loss keeps its size.

    Args:
        kind: How steeply weights follow the counts.
        counts: ``(classes,)`` examples; a class without any is weighed as if it had one.

    Returns:
        ``(classes,)`` float64.

    >>> exclusive_weights("balanced", np.array([100, 300])).round(3).tolist()
    [2.0, 0.667]
    """
    check_class_weight(kind)
    known = np.maximum(counts, 1).astype(np.float64)
    weights = known ** -_POWERS[kind]
    return np.asarray(weights * known.sum() / (weights * known).sum())


def positive_weights(kind: ClassWeight, counts: np.ndarray, of: int) -> np.ndarray:
    """Of classes of which an example has any number: negatives over positives, what a positive counts beside a negative.

    Args:
        kind: How steeply weights follow the counts.
        counts: ``(classes,)`` positive examples; a class without any is weighed as if it had one.
        of: Examples in all.

    Returns:
        ``(classes,)`` float64.

    >>> positive_weights("sqrt", np.array([10, 50]), 100).tolist()
    [3.0, 1.0]
    """
    check_class_weight(kind)
    positives = np.maximum(counts, 1).astype(np.float64)
    return np.asarray((np.maximum(of - positives, 1.0) / positives) ** _POWERS[kind])
