"""RegressionTask: how much of something does this ECG show? An age, a rate, an interval, in the unit of the labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.head import Head
from ecg_core.contracts.task import Task
from ecg_core.errors import ConfigError

__all__ = ["RegressionTask"]


class RegressionTask(Task):
    """A backbone and a head of one number per window for each quantity.

    The head learns numbers of mean 0 and standard deviation 1; :meth:`learn_scale` notes those of the training labels, which
    are saved with the weights, and :meth:`predict` gives numbers in the unit of the labels.

    Args:
        backbone: Any backbone, or what makes one, such as its class.
        head: A head for as many numbers, or what makes one for a number of them.
        classes: Names of the quantities, in the order of the numbers.
        augment: Applied to training batches only.
        loss_function: What is minimised instead of the smooth L1 distance: called with numbers and targets, both
            ``(batch, classes)`` in fp32 and standardised, it gives a scalar.
    """

    numbers = True
    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        backbone: Backbone | Callable[..., Backbone],
        head: Head | Callable[..., Head],
        *,
        classes: Sequence[str],
        augment: Compose | None = None,
        loss_function: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.take_parts(backbone, head, classes)
        if self.head.objective() is not None:
            raise ConfigError(f"{type(self.head).__name__} brings what it minimises, which is about classes; choose another head")
        self.augment = augment
        self.loss_function = loss_function
        self.register_buffer("mean", torch.zeros(len(self.classes)))
        self.register_buffer("deviation", torch.ones(len(self.classes)))

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit."""
        backbone = {"kind": "backbones", "name": "resnet18", "in_leads": 3, "widths": (8, 16), "depths": (1, 1)}
        head = {"kind": "heads", "name": "linear", "classes": 2}
        return {
            "arguments": {"backbone": backbone, "head": head, "classes": ["age", "heart_rate"]},
            "leads": 3,
            "samples": 200,
            "refused": [{"classes": ["age"]}],
        }

    @torch.no_grad()
    def learn_scale(self, targets: Tensor) -> None:
        """Take mean and standard deviation of the training labels, ``(windows, classes)``; 1 where all are equal."""
        values = targets.double()
        deviation = values.std(dim=0, correction=0)
        self.mean.copy_(values.mean(dim=0))
        self.deviation.copy_(torch.where(deviation > 0, deviation, torch.ones_like(deviation)))

    def criterion(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean smooth L1 distance (Girshick 2015) in standard deviations, or the loss that was given, in fp32."""
        with torch.autocast(logits.device.type, enabled=False):
            wanted = (targets.float() - self.mean) / self.deviation
            if self.loss_function is None:
                return F.smooth_l1_loss(logits.float(), wanted)
            value: Tensor = self.loss_function(logits.float(), wanted)
        if value.ndim:
            name = type(self.loss_function).__name__
            raise ConfigError(
                f"the loss {name} gives shape {tuple(value.shape)} instead of a scalar; leave its reduction at 'mean'"
            )
        return value

    def probabilities(self, logits: Tensor) -> Tensor:
        """The numbers, in the unit of the labels."""
        return logits.float() * self.deviation + self.mean
