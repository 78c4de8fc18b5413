"""What methods share whose views meet a slow copy of the encoder: told how long, it follows after every step and is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.transform import Transform
from ecg_ssl.base.contrastive import BaseContrastiveLearner
from ecg_ssl.momentum import MomentumEncoder

__all__ = ["BaseMomentumLearner"]


class BaseMomentumLearner(BaseContrastiveLearner):
    """Base of contrastive methods with a momentum encoder.

    Args:
        backbone: Any backbone.
        augment: Transforms, or the names or configurations from which the registry builds them.
        projector: From pooled features ``(batch, channels)`` to what the loss compares.
        target: The slow copy of both.
        crop_seconds: Cut each view out of its window at a random place, this long, before anything else.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]],
        projector: nn.Module,
        target: MomentumEncoder,
        crop_seconds: float | None = None,
    ) -> None:
        super().__init__(backbone, augment=augment, projector=projector, crop_seconds=crop_seconds)
        self.target = target

    def plan(self, steps: int) -> None:
        """The momentum reaches its end at the last step."""
        self.target.steps = steps

    def after_step(self) -> None:
        """The copy follows."""
        self.target.follow(self.backbone, self.projector)

    def gauges(self) -> Mapping[str, float]:
        """``momentum_drift`` and ``momentum_rate``."""
        return self.target.gauges(self.backbone, self.projector)
