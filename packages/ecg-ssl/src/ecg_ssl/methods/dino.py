"""DINO for ECGs: short crops say what a slow teacher says of the long ones.

Caron, Touvron, Misra, Jégou, Mairal, Bojanowski, Joulin, "Emerging properties in self-supervised vision transformers", ICCV 2021,
arXiv:2104.14294.

Differs from the paper: crops are of time and keep their rate; 4,096 prototypes and narrower heads, as data sets of ECGs are
smaller; the warm-up of the teacher's temperature and the steps in which prototypes stand still are shares of the training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_ssl.base.distillation import BaseSelfDistillation
from ecg_ssl.momentum import MomentumSchedule
from ecg_ssl.objectives.self_distillation import dino_loss, teacher_probabilities
from ecg_ssl.views import DEFAULT_VIEWS

__all__ = ["DINO"]


class DINO(BaseSelfDistillation):
    """Distributions over prototypes of all crops follow the teacher's of the long crops; the teacher is the product.

    Args:
        backbone: Any backbone; its pooled features are the representation.
        augment: What is done to each crop, as transforms, names or configurations.
        long: Long crops of each window, which the teacher sees too.
        short: Short ones.
        long_share: Length of a long crop, as a share of the window.
        short_share: Length of a short one.
        prototypes: How many.
        hidden: Channels of the head's hidden layers.
        width: Channels of the unit vector that is compared with prototypes.
        temperature: Of the student.
        teacher_temperature: Of the teacher at first …
        last_teacher_temperature: … and after its warm-up.
        warmup: Share of the training in which the teacher's temperature rises.
        still: Share of the training, from its start, in which prototypes stand still.
        centre_momentum: Share of itself that the teacher's centre keeps at each step.
        momentum: Share of itself that the teacher keeps at the first step.
        schedule: How it goes on from there: ``"cosine"`` rises to 1 over the training.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]] = DEFAULT_VIEWS,
        long: int = 2,
        short: int = 6,
        long_share: float = 0.75,
        short_share: float = 0.25,
        prototypes: int = 4096,
        hidden: int = 1024,
        width: int = 256,
        temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        last_teacher_temperature: float = 0.07,
        warmup: float = 0.3,
        still: float = 0.02,
        centre_momentum: float = 0.9,
        momentum: float = 0.996,
        schedule: MomentumSchedule = "cosine",
    ) -> None:
        super().__init__(
            backbone, channels=backbone.out_channels, augment=augment, long=long, short=short, long_share=long_share,
            short_share=short_share, prototypes=prototypes, hidden=hidden, width=width, temperature=temperature,
            teacher_temperature=teacher_temperature, last_teacher_temperature=last_teacher_temperature, warmup=warmup,
            still=still, centre_momentum=centre_momentum, momentum=momentum, schedule=schedule,
        )  # fmt: skip

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        backbones = [
            {"name": "resnet18", "widths": (8, 16), "depths": (1, 1), "kernel_size": 3},
            {"name": "vit_tiny", "width": 16, "depth": 1, "heads": 2, "head_width": 8, "patch_size": 25},
        ]
        small = {"prototypes": 32, "hidden": 16, "width": 8, "short": 1, "momentum": 0.9, "schedule": "constant"}
        return {
            "backbones": backbones,
            "leads": 3,
            "samples": 200,
            "arguments": small,
            "momentum": ("target.backbone", "backbone", 0.9),
            "extremes": [{"temperature": 1e-3}, {"teacher_temperature": 1e-3}],
            "refused": [{"momentum": 1.1}, {"temperature": 0.0}, {"long": 0}],
        }

    def loss(self, batch: Batch) -> Losses:
        """Cross-entropy of the teacher's long crops and the student's other crops.

        Logs ``teacher_entropy``, the mean entropy of the teacher's distributions over its largest value: 1 is a collapse to the
        uniform one, 0 to one prototype; and ``teacher_student_kl``.
        """
        crops = self.crops(batch)
        groups = [torch.cat([crop.signal for crop in some]) for some in crops if some]
        self.hold_prototypes()
        students = [s for x in groups for s in self._logits(x).split(len(batch))]
        self.target.catch_up(self.backbone, self.projector)
        logits = self.target(groups[0])
        self.remember(self.centre, logits)
        with torch.autocast(batch.signal.device.type, enabled=False):
            teachers = teacher_probabilities(logits, self.centre, self.teacher_temperature)
            total = dino_loss(students, teachers.split(len(batch)), temperature=self.temperature)
            with torch.no_grad():
                entropy = -(teachers * (teachers + 1e-12).log()).sum(dim=1).mean()
        return Losses(
            total, {"teacher_entropy": entropy / math.log(teachers.shape[1]), "teacher_student_kl": total.detach() - entropy}
        )

    def _logits(self, x: Tensor) -> Tensor:
        return self.projector(self.backbone.pool(self.backbone.forward_features(x)))
