"""Binary cross-entropies with weights: per class, for positives, from the batch, or per element.

``L = -w [ v y log p + (1 - y) log(1 - p) ]`` with ``p = sigmoid(logit)``. torch_ecg's ``WeightedBCELoss`` takes probabilities
and gives ``inf`` at p = 0; these take logits, so that every value and gradient is finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.losses.elements import along_classes, class_values, paired
from ecg_core.config.configurable import Configurable

__all__ = ["ClassWeightedBCELoss", "MaskedBCELoss", "WeightedBCELoss"]


class WeightedBCELoss(Configurable, nn.Module):
    """Binary cross-entropy with a weight for positives and one for all of a class.

    Args:
        pos_weight: One per class, on the terms of positives; ``"batch"`` takes negatives / positives of the batch, where a
            class without positives counts as having one; ``None`` for 1.
        weight: One per class, on all its terms; ``"batch"`` takes the inverse share of positives, of mean 1 over the classes,
            where a class without positives counts as having one; ``None`` for 1.

    Shape:
        logits and targets in [0, 1]: ``(batch, classes)`` or ``(batch, classes, steps)``; a scalar

    Raises:
        ValueError: A weight is negative, a word other than ``"batch"``, or there are not as many as classes.
    """

    fixed_pos_weight: Tensor | None
    fixed_weight: Tensor | None

    def __init__(
        self,
        *,
        pos_weight: Sequence[float] | Literal["batch"] | None = None,
        weight: Sequence[float] | Literal["batch"] | None = None,
    ) -> None:
        super().__init__()
        self.pos_weight_of_batch, self.weight_of_batch = _of_batch(pos_weight, "pos_weight"), _of_batch(weight, "weight")
        fixed = None if isinstance(pos_weight, str) else class_values(pos_weight, "pos_weight")
        self.register_buffer("fixed_pos_weight", fixed, persistent=False)
        fixed = None if isinstance(weight, str) else class_values(weight, "weight")
        self.register_buffer("fixed_weight", fixed, persistent=False)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        arguments = {"pos_weight": "batch", "weight": [1, 2, 1, 1, 3]}
        return {"arguments": arguments, "refused": [{"pos_weight": "dynamic"}, {"weight": [1.0, -2.0]}]}

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over all elements."""
        logits, targets = paired(logits, targets)
        pos_weight, weight = self.fixed_pos_weight, self.fixed_weight
        if self.pos_weight_of_batch or self.weight_of_batch:
            per_class = targets.detach().transpose(0, 1).flatten(1)
            positives = per_class.sum(dim=1).clamp(min=1)
            if self.pos_weight_of_batch:
                pos_weight = (per_class.shape[1] - positives).clamp(min=0) / positives
            if self.weight_of_batch:
                weight = positives.reciprocal() / positives.reciprocal().mean()
        v = None if pos_weight is None else along_classes(pos_weight, logits, "pos_weight")
        w = None if weight is None else along_classes(weight, logits, "weight")
        return F.binary_cross_entropy_with_logits(logits, targets, weight=w, pos_weight=v)


class ClassWeightedBCELoss(Configurable, nn.Module):
    """Binary cross-entropy in which every class has its weight.

    Args:
        class_weight: One per class, on all its terms.

    Shape:
        logits and targets in [0, 1]: ``(batch, classes)`` or ``(batch, classes, steps)``; a scalar

    Raises:
        ValueError: A weight is negative, or there are not as many as classes.
    """

    class_weight: Tensor

    def __init__(self, class_weight: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("class_weight", class_values(class_weight, "class_weight"), persistent=False)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"class_weight": [1, 2, 1, 1, 3]}, "refused": [{"class_weight": [-1.0]}, {"class_weight": []}]}

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over all elements."""
        logits, targets = paired(logits, targets)
        weight = along_classes(self.class_weight, logits, "class_weight")
        return F.binary_cross_entropy_with_logits(logits, targets, weight=weight)


class MaskedBCELoss(Configurable, nn.Module):
    """Binary cross-entropy with a weight for every element, as a mask of what counts.

    Args:
        mean_over: ``"all"``: the weighted sum over the number of elements, as torch_ecg has it. ``"weight"``: over the sum of the
            weights, so that what is masked out does not dilute the rest; a mask of zeros gives 0.

    Shape:
        logits, targets in [0, 1] and weights ≥ 0 that broadcast to them: ``(batch, classes)`` or ``(batch, classes, steps)``;
        a scalar

    Raises:
        ValueError: ``mean_over`` is another word, or the weights do not fit.
    """

    def __init__(self, *, mean_over: Literal["all", "weight"] = "all") -> None:
        super().__init__()
        if mean_over not in ("all", "weight"):
            raise ValueError(f"mean_over must be 'all' or 'weight', got {mean_over!r}")
        self.mean_over = mean_over

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""

        def inputs() -> list[Tensor]:
            generator = torch.Generator().manual_seed(0)
            logits = torch.randn(2, 3, 20, generator=generator)
            return [logits, (logits.roll(3, -1) > 0).float(), (torch.rand(2, 1, 20, generator=generator) > 0.3).float()]

        return {"inputs": inputs, "refused": [{"mean_over": "mask"}]}

    def forward(self, logits: Tensor, targets: Tensor, weight_mask: Tensor) -> Tensor:
        """The mean that was asked for."""
        logits, targets = paired(logits, targets)
        try:
            weights = weight_mask.to(logits.dtype).expand_as(logits)
        except RuntimeError:
            raise ValueError(
                f"weight_mask must broadcast to the logits, {tuple(logits.shape)}, got {tuple(weight_mask.shape)}"
            ) from None
        terms = F.binary_cross_entropy_with_logits(logits, targets, reduction="none") * weights
        if self.mean_over == "all":
            return terms.mean()
        total = weights.sum()
        return terms.sum() / torch.where(total > 0, total, torch.ones_like(total))


def _of_batch(value: Sequence[float] | str | None, word: str) -> bool:
    if isinstance(value, str) and value != "batch":
        raise ValueError(f"{word} must hold one number per class, be 'batch', or None, got {value!r}")
    return isinstance(value, str)
