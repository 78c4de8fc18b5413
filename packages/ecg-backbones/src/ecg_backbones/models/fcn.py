"""FCN: a fully convolutional labelling of every sample, on any backbone.

Long, Shelhamer, Darrell, "Fully convolutional networks for semantic segmentation", CVPR 2015, arXiv:1411.4038. The auxiliary
head on the map before the last, trained with half the weight, is that of Zhao et al., "Pyramid scene parsing network",
CVPR 2017, arXiv:1612.01105 (section 3.3), which implementations of FCN took over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ecg_backbones.heads.fcn import FCNHead
from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.head import Head
from ecg_core.contracts.lazy import materialize
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.task import Task
from ecg_core.data.batch import Batch
from ecg_core.errors import ConfigError
from ecg_core.layers.upsampling import steps_to_samples
from ecg_core.tasks.objective import Problem, objective_of

__all__ = ["FCN"]


class FCN(Task):
    """A backbone, an :class:`FCNHead`, and in training a second one on the map before the last.

    Args:
        backbone: Any backbone, or what makes one; of two maps or more where there is an auxiliary head.
        head: A per-step head, or what makes one for a number of classes: FCN-8s unless given.
        classes: Names, in the order of the scores.
        problem: ``"multi_class"``: each sample is one of the classes. ``"multi_label"``: any number of them.
        auxiliary: Weight of the auxiliary head's loss; 0 leaves it out.
        auxiliary_hidden: Channels between its two convolutions.
        augment: Applied to training batches only.
        loss_function: What is minimised instead of cross-entropy; see :class:`ecg_core.tasks.labelling.LabellingTask`.

    Shape:
        ``(batch, leads, samples)`` to ``(batch, classes, samples)``, for every length the backbone takes

    Raises:
        ConfigError: The head was built for another number of classes, or there is no map for the auxiliary head.
    """

    per_step = True

    def __init__(
        self,
        backbone: Backbone | Callable[..., Backbone],
        head: Head | Callable[..., Head] = FCNHead,
        *,
        classes: Sequence[str],
        problem: Problem = "multi_class",
        auxiliary: float = 0.5,
        auxiliary_hidden: int = 128,
        augment: Compose | None = None,
        loss_function: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.take_parts(backbone, head, classes)
        if auxiliary and len(self.backbone.stages) < 2:
            raise ConfigError(
                f"an auxiliary head stands on the map before the last, and {type(self.backbone).__name__} gives one map; "
                "use auxiliary=0"
            )
        self.auxiliary = auxiliary
        self.auxiliary_head = None
        if auxiliary:
            side = FCNHead(len(classes), fused=0, hidden=auxiliary_hidden)
            # It takes no part in predictions, so that no dry run would give it its sizes; the channels are known here.
            self.auxiliary_head = materialize(side, [torch.zeros(1, self.backbone.stages[-2].channels, 8)])
        self.objective = objective_of(self.head, problem, loss_function)
        self.augment = augment

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit."""
        backbone = {"kind": "backbones", "name": "resnet18", "in_leads": 3, "widths": (8, 12, 16), "depths": (1, 1, 1)}
        head = {"kind": "heads", "name": "fcn", "classes": 3, "hidden": 8}
        return {
            "arguments": {"backbone": backbone, "head": head, "classes": ["none", "P", "QRS"], "auxiliary_hidden": 8},
            "leads": 3,
            "samples": 200,
            "refused": [{"classes": ["none", "QRS"]}, {"problem": "ordinal"}],
        }

    def loss(self, batch: Batch) -> Losses:
        """The loss of the scores, and in training that of the auxiliary head's with its weight."""
        if not self.training or self.auxiliary_head is None:
            return super().loss(batch)
        batch = batch if self.augment is None else self.augment(batch)
        maps, samples = self.backbone.forward_intermediates(batch.signal), batch.signal.shape[-1]
        main = self.criterion(self._at_samples(self._read(maps), self.head.grid, samples), batch.step_targets)
        side = self.criterion(self._at_samples(self.auxiliary_head(maps[:-1]), -2, samples), batch.step_targets)
        return Losses(main + self.auxiliary * side, {"main": main.detach(), "auxiliary": side.detach()})

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each sample, ``(batch, classes, samples)``; the auxiliary head takes no part."""
        maps = self.backbone.forward_intermediates(x)
        return self._at_samples(self._read(maps), self.head.grid, x.shape[-1])

    def criterion(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy over the labelled samples, or the loss that was given, in fp32, whatever autocast says."""
        return self.objective(logits, targets)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits as probabilities."""
        return self.objective.probabilities(logits)

    def _read(self, maps: list[Tensor]) -> Tensor:
        return self.scores(maps if self.head.reads == "intermediates" else maps[-1])

    def _at_samples(self, scores: Tensor, stage: int, samples: int) -> Tensor:
        where = self.backbone.stages[stage]
        return steps_to_samples(scores, samples, stride=where.stride, centre=where.centre)
