"""Targets: which number of a model's scores an explanation is about, one per record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import index

from torch import Tensor, nn

__all__ = ["MaskedMean", "Target", "evaluating", "target_score"]


@dataclass(frozen=True)
class MaskedMean:
    """The mean score of a class over some steps of a model that scores every step.

    Args:
        number: Column of the scores.
        mask: ``(steps,)`` or ``(batch, steps)``, true where it counts.
    """

    number: int
    mask: Tensor

    def __call__(self, scores: Tensor) -> Tensor:
        """``(batch, classes, steps)`` to ``(batch,)``.

        Raises:
            ValueError: Shapes do not fit, or a record has no true step.
        """
        if scores.ndim != 3 or self.mask.shape not in (scores.shape[2:], (scores.shape[0], scores.shape[2])):
            raise ValueError(
                f"a mask of (steps,) or (batch, steps) is for scores (batch, classes, steps), got a mask of shape "
                f"{tuple(self.mask.shape)} for scores of shape {tuple(scores.shape)}"
            )
        _check_number(self.number, scores.shape[1])
        weight = self.mask.to(scores).expand(scores.shape[0], -1)
        if not bool((weight.sum(dim=1) > 0).all()):
            raise ValueError("the mask of a record has no true step, so that there is nothing to explain; leave the record out")
        return (scores[:, self.number] * weight).sum(dim=1) / weight.sum(dim=1)


Target = int | Tensor | Callable[[Tensor], Tensor]
"""A class, ``(batch,)`` classes (one per record), or a function from the scores to ``(batch,)``."""


def target_score(scores: Tensor, target: Target, *, batch: int, who: str = "the model") -> Tensor:
    """The explained number of every record, ``(batch,)``.

    Args:
        scores: ``(batch, classes)``; what a function as target takes may have other shapes.
        target: See :data:`Target`.
        batch: Records.
        who: What gave the scores, for messages.

    Raises:
        ValueError: Scores or target are of another shape, or a class is out of range.
    """
    if callable(target):
        chosen = target(scores)
        if not isinstance(chosen, Tensor) or chosen.shape != (batch,):
            found = tuple(chosen.shape) if isinstance(chosen, Tensor) else type(chosen).__name__
            raise ValueError(f"a function as target must give one number per record, ({batch},), got {found}")
        return chosen
    if scores.ndim != 2 or len(scores) != batch:
        raise ValueError(
            f"{who} must return (batch, classes) = ({batch}, …), got shape {tuple(scores.shape)}; "
            "for scores of steps give a function as target, such as MaskedMean"
        )
    if isinstance(target, Tensor) and target.ndim:
        if target.shape != (batch,) or target.dtype.is_floating_point:
            raise ValueError(f"targets of records must be ({batch},) whole numbers, got {target.dtype} of {tuple(target.shape)}")
        for number in target.tolist():
            _check_number(number, scores.shape[1])
        return scores.gather(1, target.to(scores.device).long()[:, None])[:, 0]
    number = index(target)
    _check_number(number, scores.shape[1])
    return scores[:, number]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode, and every module in the mode it had afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _check_number(number: int, classes: int) -> None:
    if not 0 <= number < classes:
        raise ValueError(f"target must be one of the {classes} classes 0 … {classes - 1}, got {number}")
