"""ClassificationTask: which classes does this ECG show? One of several (multi-class) or any number (multi-label)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.head import Head
from ecg_core.contracts.task import Task
from ecg_core.tasks.objective import Problem, objective_of

__all__ = ["ClassificationTask"]


class ClassificationTask(Task):
    """A backbone and a head of one score per class for the whole window.

    Args:
        backbone: Any backbone, or what makes one, such as its class.
        head: A head for as many classes, or what makes one for a number of classes.
        classes: Names, in the order of the scores.
        problem: ``"multi_label"``: binary cross-entropy per class, probabilities by sigmoid. ``"multi_class"``:
            cross-entropy, probabilities by softmax.
        augment: Applied to training batches only.
        loss_function: What is minimised instead of cross-entropy: called with logits and targets, both ``(batch, classes)`` in
            fp32, it gives a scalar. Targets of ``"multi_class"`` sum to 1.
    """

    def __init__(
        self,
        backbone: Backbone | Callable[..., Backbone],
        head: Head | Callable[..., Head],
        *,
        classes: Sequence[str],
        problem: Problem = "multi_label",
        augment: Compose | None = None,
        loss_function: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.take_parts(backbone, head, classes)
        self.objective = objective_of(self.head, problem, loss_function)
        self.augment = augment

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
        """Mean cross-entropy, or the loss that was given, in fp32, whatever autocast says."""
        return self.objective(logits, targets)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits as probabilities."""
        return self.objective.probabilities(logits)
