"""Objective: what a task minimises, and how its logits become probabilities. Classes stand on axis 1."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_core.contracts.head import Head
from ecg_core.errors import ConfigError, DataError
from ecg_core.tasks.class_weight import ClassWeight, exclusive_weights, positive_weights

__all__ = ["Objective", "Problem", "objective_of"]

Problem = Literal["multi_label", "multi_class"]


class Objective(nn.Module):
    """Cross-entropy, or a loss that is given, over whole windows or over time.

    Args:
        problem: ``"multi_label"``: binary cross-entropy per class, probabilities by sigmoid. ``"multi_class"``:
            cross-entropy, probabilities by softmax.
        loss_function: What is minimised instead: called with logits and targets of the same shape in fp32, it gives a scalar.
            Targets of ``"multi_class"`` sum to 1 over the classes.

    Attributes:
        class_weight: ``(classes,)``, set by :meth:`weigh`; of training only, and no part of what is saved.

    Shape:
        logits ``(batch, classes)`` or ``(batch, classes, samples)``; targets the same in [0, 1], or ``(batch,)`` or
        ``(batch, samples)`` class numbers, negative where there is no label
    """

    class_weight: Tensor | None

    def __init__(self, problem: Problem = "multi_label", loss_function: nn.Module | None = None) -> None:
        super().__init__()
        if problem not in ("multi_label", "multi_class"):
            raise ConfigError(f"problem must be multi_label or multi_class, got {problem!r}")
        self.problem: Problem = problem
        self.loss_function = loss_function
        self.register_buffer("class_weight", None, persistent=False)

    def weigh(self, kind: ClassWeight, counts: np.ndarray, *, of: int) -> None:
        """Let rare classes count more in the cross-entropy.

        Args:
            kind: How steeply weights follow the counts, see :mod:`ecg_core.tasks.class_weight`.
            counts: ``(classes,)`` examples of each class.
            of: Examples in all.

        Raises:
            ConfigError: A loss of its own is minimised, or there is no such kind.
        """
        if self.loss_function is not None:
            raise ConfigError(
                f"class_weight weighs the cross-entropy, and {type(self.loss_function).__name__} is minimised instead; "
                "give it weights of its own, or leave one of the two out"
            )
        found = exclusive_weights(kind, counts) if self.problem == "multi_class" else positive_weights(kind, counts, of)
        self.class_weight = torch.from_numpy(found).float()

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss: a scalar in fp32, whatever autocast says.

        Raises:
            ConfigError: The loss gives no scalar for logits and targets.
            DataError: A class number is none of the classes.
        """
        logits = logits.float()
        labelled: Tensor | None = None
        if targets.ndim < logits.ndim:
            targets, labelled = _one_hot(targets, logits.shape[1])
        targets = targets.float()
        if self.problem == "multi_class":
            targets = targets / targets.sum(dim=1, keepdim=True).clamp(min=1)
        with torch.autocast(logits.device.type, enabled=False):
            if self.loss_function is not None:
                return _scalar(self.loss_function, *_kept(logits, targets, labelled))
            weight = self.class_weight
            if self.problem == "multi_label":
                logits, targets = _kept(logits, targets, labelled)
                along = None if weight is None else weight.reshape(-1, *[1] * (logits.ndim - 2))
                return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=along)
            if labelled is None:
                return F.cross_entropy(logits, targets, weight=weight)
            return F.cross_entropy(logits, targets, weight=weight, reduction="sum") / labelled.sum().clamp(min=1)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits as probabilities, in fp32."""
        return logits.float().sigmoid() if self.problem == "multi_label" else logits.float().softmax(dim=1)


def objective_of(head: Head, problem: Problem, loss_function: nn.Module | None = None) -> Any:
    """The head's own objective, or an :class:`Objective`.

    Raises:
        ConfigError: There is no such problem, or a loss is given for a head that brings its own.
    """
    ours = Objective(problem, loss_function)
    own = head.objective()
    if own is None:
        return ours
    if loss_function is not None:
        raise ConfigError(f"{type(head).__name__} brings what it minimises, so it takes no loss; leave the loss out")
    return own


def _one_hot(numbers: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Class numbers as zeros and ones on axis 1, all zeros where there is no label; and where there is one."""
    if len(numbers) and int(numbers.max()) >= classes:
        raise DataError(f"targets are class numbers from 0 to {classes - 1}, or -1 for no label, got {int(numbers.max())}")
    labelled = numbers >= 0
    hot = F.one_hot(numbers.clamp(min=0).long(), classes) * labelled[..., None]
    return hot.movedim(-1, 1), labelled


def _kept(logits: Tensor, targets: Tensor, labelled: Tensor | None) -> tuple[Tensor, Tensor]:
    """Without what has no label: flattened to ``(labelled, classes)`` only where something has none."""
    if labelled is None or bool(labelled.all()):
        return logits, targets
    return logits.movedim(1, -1)[labelled], targets.movedim(1, -1)[labelled]


def _scalar(loss_function: nn.Module, logits: Tensor, targets: Tensor) -> Tensor:
    name = type(loss_function).__name__
    try:
        value: Tensor = loss_function(logits, targets)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"the loss {name} does not take logits and targets of shape {tuple(logits.shape)} ({error}); "
            "choose another with `ecg plugins list --kind losses`"
        ) from error
    if value.ndim:
        raise ConfigError(f"the loss {name} gives shape {tuple(value.shape)} instead of a scalar; leave its reduction at 'mean'")
    return value
