"""What DINO and iBOT share: crops, prototypes, and a slow teacher whose temperature rises and whose centre moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.contracts.transform import Transform
from ecg_ssl.centres import move_centre
from ecg_ssl.heads.prototypes import PrototypeHead
from ecg_ssl.momentum import MomentumEncoder, MomentumSchedule
from ecg_ssl.multi_crop import MultiCrop

__all__ = ["BaseSelfDistillation"]


class BaseSelfDistillation(SSLMethod):
    """Base of methods whose student says over prototypes what its slow copy says, which is the product.

    Args:
        backbone: Any backbone.
        channels: Of what the head reads.
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
        centre_momentum: Share of itself that a centre of the teacher keeps at each step.
        momentum: Share of itself that the teacher keeps at the first step.
        schedule: How it goes on from there: ``"cosine"`` rises to 1 over the training.

    Raises:
        ValueError: A temperature is not positive.
    """

    recipe = Recipe(lr=5e-4, lr_batch=256, weight_decay=0.04, last_weight_decay=0.4, warmup=0.1, clip=3.0)
    centre: Tensor

    def __init__(
        self,
        backbone: Backbone,
        *,
        channels: int,
        augment: Sequence[Transform | str | Mapping[str, Any]],
        long: int,
        short: int,
        long_share: float,
        short_share: float,
        prototypes: int,
        hidden: int,
        width: int,
        temperature: float,
        teacher_temperature: float,
        last_teacher_temperature: float,
        warmup: float,
        still: float,
        centre_momentum: float,
        momentum: float,
        schedule: MomentumSchedule,
    ) -> None:
        super().__init__()
        for name, value in (("temperature", temperature), ("teacher_temperature", teacher_temperature)):
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value!r}")
        self.backbone = backbone
        self.projector = PrototypeHead(channels, prototypes=prototypes, hidden=hidden, width=width)
        self.target = MomentumEncoder(backbone, self.projector, momentum=momentum, schedule=schedule)
        self.crops = MultiCrop(augment, long=long, short=short, long_share=long_share, short_share=short_share)
        self.temperature, self.teacher_temperatures = temperature, (teacher_temperature, last_teacher_temperature)
        self.warmup, self.still, self.centre_momentum = warmup, still, centre_momentum
        self.register_buffer("centre", torch.zeros(1, prototypes))
        self._seen: list[tuple[Tensor, Tensor]] = []  # of this step: a centre, and the teacher's logits that move it after it

    @property
    def arguments(self) -> dict[str, Any]:
        """The views as built, so that a configuration says which package ships each of them."""
        given = super().arguments
        return given | {"augment": list(self.crops.augment.transforms)} if "augment" in given else given

    @property
    def product(self) -> Backbone:
        """The teacher's backbone, which is better than the student's throughout the training (Caron et al., figure 6)."""
        return self.target.backbone

    @property
    def done(self) -> float:
        """Share of the training that is behind; 0 where nobody said how long it is."""
        return min(1.0, int(self.target.updates) / self.target.steps) if self.target.steps else 0.0

    @property
    def teacher_temperature(self) -> float:
        """Of the next step."""
        first, last = self.teacher_temperatures
        return first + (last - first) * (min(1.0, self.done / self.warmup) if self.warmup and self.target.steps else 0.0)

    def plan(self, steps: int) -> None:
        """Momentum and temperature reach their ends with the training."""
        self.target.steps = steps

    def hold_prototypes(self) -> None:
        """At the start of the training prototypes stand still."""
        self.projector.frozen = bool(self.target.steps) and self.done < self.still

    def remember(self, centre: Tensor, logits: Tensor) -> None:
        """Keep what the teacher said, ``(rows, prototypes)``, until its centre moves."""
        if self.training:
            self._seen.append((centre, logits.detach().float()))

    @torch.no_grad()
    def after_step(self) -> None:
        """The teacher follows, and its centres move towards the means of what it just said, in all processes."""
        self.target.follow(self.backbone, self.projector)
        for centre, logits in self._seen:
            move_centre(centre, logits, self.centre_momentum)
        self._seen.clear()

    def gauges(self) -> Mapping[str, float]:
        """``momentum_drift`` and ``momentum_rate``."""
        return self.target.gauges(self.backbone, self.projector)
