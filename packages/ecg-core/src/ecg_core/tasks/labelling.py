"""LabellingTask: which class is each sample? Delineation of waves, beats, rhythms that come and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.head import Head
from ecg_core.contracts.task import Task
from ecg_core.layers.upsampling import steps_to_samples
from ecg_core.tasks.objective import Problem, objective_of

__all__ = ["LabellingTask"]


class LabellingTask(Task):
    """A backbone and a head of scores per step, brought to the samples of the input by linear interpolation.

    Args:
        backbone: Any backbone, or what makes one, such as its class.
        head: A per-step head for as many classes, or what makes one for a number of classes.
        classes: Names, in the order of the scores; ``"multi_class"`` counts "none of them" as one.
        problem: ``"multi_class"``: each sample is one of the classes. ``"multi_label"``: any number of them.
        augment: Applied to training batches only; step targets move along.
        loss_function: What is minimised instead of cross-entropy: called with logits and targets, both
            ``(batch, classes, samples)`` in fp32 (``(labelled, classes)`` where some samples have no label), it gives a scalar.

    Shape:
        ``(batch, leads, samples)`` to ``(batch, classes, samples)``
    """

    per_step = True

    def __init__(
        self,
        backbone: Backbone | Callable[..., Backbone],
        head: Head | Callable[..., Head],
        *,
        classes: Sequence[str],
        problem: Problem = "multi_class",
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
        head = {"kind": "heads", "name": "per_step", "classes": 3}
        return {
            "arguments": {"backbone": backbone, "head": head, "classes": ["none", "P", "QRS"]},
            "leads": 3,
            "samples": 200,
            "refused": [{"classes": ["none", "QRS"]}, {"problem": "ordinal"}],
        }

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each sample, ``(batch, classes, samples)``."""
        stage = self.backbone.stages[self.head.grid]
        return steps_to_samples(self.scores(self.features(x)), x.shape[-1], stride=stage.stride, centre=stage.centre)

    def criterion(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy over the labelled samples, or the loss that was given, in fp32, whatever autocast says."""
        return self.objective(logits, targets)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits as probabilities."""
        return self.objective.probabilities(logits)
