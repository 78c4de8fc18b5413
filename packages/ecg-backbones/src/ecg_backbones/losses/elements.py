"""What the losses share: full precision, a value per class along the class axis, and one error for shapes that do not fit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["along_classes", "class_values", "full_precision", "paired"]


def full_precision(x: Tensor) -> Tensor:
    """In float32 at least, whatever autocast made of it; float64 stays."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def paired(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Both in full precision, of one type.

    Raises:
        ValueError: Their shapes differ, or there is no class axis.
    """
    if logits.ndim < 2 or logits.shape != targets.shape:
        raise ValueError(
            f"logits and targets must both be (batch, classes) or (batch, classes, steps), got {tuple(logits.shape)} and "
            f"{tuple(targets.shape)}; class numbers become targets by one_hot"
        )
    logits = full_precision(logits)
    return logits, targets.to(logits.dtype)


def class_values(values: Sequence[float] | Tensor | None, word: str) -> Tensor | None:
    """One finite, non-negative number per class, as ``(classes,)``.

    Raises:
        ValueError: It is something else; ``word`` is the argument's name.
    """
    if values is None:
        return None
    found = torch.as_tensor(values, dtype=torch.float32).detach().clone()
    if found.ndim != 1 or not len(found) or not bool((torch.isfinite(found) & (found >= 0)).all()):
        raise ValueError(f"{word} must hold one number ≥ 0 per class, got {values!r}")
    return found


def along_classes(values: Tensor, like: Tensor, word: str) -> Tensor:
    """``(classes,)`` shaped to multiply ``(batch, classes, …)``.

    Raises:
        ValueError: There are more or fewer classes.
    """
    if len(values) != like.shape[1]:
        raise ValueError(f"{word} has {len(values)} values for {like.shape[1]} classes; give one per class")
    return values.to(like).reshape(1, -1, *[1] * (like.ndim - 2))
