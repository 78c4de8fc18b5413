"""Soft targets: class numbers as shares of classes, and the blend of what two windows hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import as_float, asarray_like, namespace
from ecg_core.contracts.rows import rows, write_rows
from ecg_core.data.batch import Batch

__all__ = ["blended", "blended_anew", "soft_steps", "soft_targets", "softened"]


def soft_targets(targets: Any, n_classes: int | None, *, who: str) -> Any:
    """``(batch,)`` class numbers as shares ``(batch, classes)``; what is shares already comes back as floating point.

    Args:
        targets: The targets of whole windows.
        n_classes: How many classes class numbers count.
        who: The transform that asks, for the error.

    Raises:
        ValueError: Class numbers, and no ``n_classes``.
    """
    return as_float(targets) if targets.ndim > 1 else _one_hot(targets[:, None], n_classes, who)


def soft_steps(step_targets: Any, n_classes: int | None, *, who: str) -> Any:
    """``(batch, samples)`` class numbers as shares ``(batch, classes, samples)``; arguments as :func:`soft_targets`."""
    return as_float(step_targets) if step_targets.ndim > 2 else _one_hot(step_targets[:, None, :], n_classes, who)


def blended(own: Any, other: Any, share: Any) -> Any:
    """What belongs to two windows as one: chosen where ``share`` is boolean (true: own), weighted where it is a number.

    Where the share is 1 the own value stands bit for bit, whatever the other is.
    """
    xp = namespace(own)
    if share.dtype == xp.bool:
        return xp.where(share, own, other)
    share = xp.astype(share, own.dtype)
    return xp.where(share >= 1, own, share * own + (1 - share) * other)


def blended_anew(own: Any, other: Any, share: Any) -> Any:
    """:func:`blended` of float32 or float64 signals without gradients, written over ``other``, which is nobody else's.

    A choice per element is eight times as slow as the same on bits; a weighted sum is corrected where the share is 1.
    """
    xp = namespace(own)
    integers = xp.int32 if own.dtype.itemsize == 4 else xp.int64
    if share.dtype == xp.bool:
        mine, theirs = own.view(integers), other.view(integers)
        theirs ^= mine
        theirs &= xp.astype(share, integers) - 1
        theirs ^= mine
        return other
    share = xp.astype(share, own.dtype)
    other *= 1 - share
    other += share * own
    if share.shape[-1] > 1:
        return xp.where(share >= 1, own, other)
    whole = xp.nonzero(share[:, 0, 0] >= 1)[0]
    if whole.shape[0]:
        write_rows(other, whole, rows(own, whole))
    return other


def softened(batch: Batch, n_classes: int | None, *, who: str, steps: bool = True) -> Batch:
    """The batch with shares of classes instead of class numbers.

    Args:
        batch: Batch, with or without targets.
        n_classes: How many classes class numbers count.
        who: The transform that asks, for the error.
        steps: Do so with step targets too, if they are class numbers.
    """
    targets, step_targets = batch.targets, batch.step_targets
    return replace(
        batch,
        targets=None if targets is None else soft_targets(targets, n_classes, who=who),
        step_targets=soft_steps(step_targets, n_classes, who=who)
        if step_targets is not None and (steps or step_targets.ndim > 2)
        else step_targets,
    )


def _one_hot(column: Any, n_classes: int | None, who: str) -> Any:
    """``(batch, 1, …)`` class numbers as ``(batch, classes, …)`` float32."""
    if n_classes is None:
        raise ValueError(f"{who} makes soft targets of class numbers: give it n_classes=…")
    xp = namespace(column)
    numbers = xp.reshape(asarray_like(np.arange(n_classes), column), (1, n_classes, *[1] * (column.ndim - 2)))
    return xp.astype(column == numbers, xp.float32)
