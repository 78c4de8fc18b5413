"""ClassificationTask: which classes does this ECG show? One of several (multi-class) or any number (multi-label)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.head import Head
from ecg_core.contracts.task import Task
from ecg_core.errors import ConfigError

__all__ = ["ClassificationTask"]


class ClassificationTask(Task):
    """A backbone and a record-level head.

    Args:
        backbone: Any backbone.
        head: A head for as many classes.
        classes: Names, in the order of the scores.
        problem: ``"multi_label"``: binary cross-entropy per class, probabilities by sigmoid. ``"multi_class"``:
            cross-entropy, probabilities by softmax.
        augment: Applied to training batches only.
        loss_function: What is minimised instead of cross-entropy: called with logits and targets, both ``(batch, classes)`` in
            fp32, it gives a scalar. Targets of ``"multi_class"`` sum to 1.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: Head,
        *,
        classes: Sequence[str],
        problem: Literal["multi_label", "multi_class"] = "multi_label",
        augment: Compose | None = None,
        loss_function: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if head.classes != len(classes):
            raise ConfigError(
                f"the head gives {head.classes} scores for {len(classes)} classes; build it with classes={len(classes)}"
            )
        if problem not in ("multi_label", "multi_class"):
            raise ConfigError(f"problem must be multi_label or multi_class, got {problem!r}")
        self.backbone = backbone
        self.head = head
        self.classes = tuple(classes)
        self.problem = problem
        self.augment = augment
        self.loss_function = loss_function

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit."""
        backbone = {"kind": "backbones", "name": "resnet18", "in_leads": 3, "widths": (8, 16), "depths": (1, 1)}
        head = {"kind": "heads", "name": "linear", "classes": 3}
        return {
            "arguments": {"backbone": backbone, "head": head, "classes": ["NORM", "AFIB", "CLBBB"]},
            "leads": 3,
            "samples": 200,
            "refused": [{"classes": ["NORM", "AFIB"]}, {"problem": "ordinal"}],
        }

    def criterion(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy, or the loss that was given, in fp32, whatever autocast says.

        Raises:
            ConfigError: The loss gives no scalar for logits and targets.
        """
        logits, targets = logits.float(), targets.float()
        if self.problem == "multi_class":
            targets = targets / targets.sum(dim=1, keepdim=True).clamp(min=1)
        if self.loss_function is not None:
            return self._chosen(self.loss_function, logits, targets)
        if self.problem == "multi_label":
            return F.binary_cross_entropy_with_logits(logits, targets)
        return F.cross_entropy(logits, targets)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits as probabilities."""
        return logits.float().sigmoid() if self.problem == "multi_label" else logits.float().softmax(dim=-1)

    @staticmethod
    def _chosen(loss_function: nn.Module, logits: Tensor, targets: Tensor) -> Tensor:
        name = type(loss_function).__name__
        with torch.autocast(logits.device.type, enabled=False):
            try:
                value: Tensor = loss_function(logits, targets)
            except (TypeError, ValueError, RuntimeError) as error:
                raise ConfigError(
                    f"the loss {name} does not take logits and targets of shape {tuple(logits.shape)} ({error}); "
                    "choose another with `ecg plugins list --kind losses`"
                ) from error
        if value.ndim:
            raise ConfigError(
                f"the loss {name} gives shape {tuple(value.shape)} instead of a scalar; leave its reduction at 'mean'"
            )
        return value
