"""BYOL for ECGs: predict, from one view, what a slowly moving copy says of the other. No negatives.

Grill et al., "Bootstrap your own latent: a new approach to self-supervised learning", NeurIPS 2020, arXiv:2006.07733.

Differs from the paper: projector and predictor are narrower by default. Every parameter of the copy follows, biases too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_ssl.base.follower import BaseMomentumLearner
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.momentum import MomentumEncoder, MomentumSchedule
from ecg_ssl.objectives.negative_cosine import cosine_distance
from ecg_ssl.views import DEFAULT_VIEWS, agreement

__all__ = ["BYOL"]


class BYOL(BaseMomentumLearner):
    """A predictor on one view's projection regresses the copy's projection of the other, both ways.

    Args:
        backbone: Any backbone; its pooled features are the representation.
        augment: Transforms, or the names or configurations from which the registry builds them.
        crop_seconds: Cut each view out of its window at a random place, this long, before anything else.
        width: Channels of projection and prediction (256 in the paper).
        hidden: Channels of the hidden layers of projector and predictor (4096 in the paper).
        momentum: Share of itself that the copy keeps at the first step.
        schedule: How it goes on from there: ``"cosine"`` rises to 1 over the training.
    """

    recipe = Recipe(lr=1e-3, lr_batch=0, weight_decay=1e-4, warmup=0.1)

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]] = DEFAULT_VIEWS,
        crop_seconds: float | None = None,
        width: int = 256,
        hidden: int = 1024,
        momentum: float = 0.996,
        schedule: MomentumSchedule = "cosine",
    ) -> None:
        projector = ProjectionHead(backbone.out_channels, hidden=hidden, width=width)
        target = MomentumEncoder(backbone, projector, momentum=momentum, schedule=schedule)
        super().__init__(backbone, augment=augment, crop_seconds=crop_seconds, projector=projector, target=target)
        self.predictor = ProjectionHead(width, hidden=hidden, width=width)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""

        def view_loss(method: BYOL, a: Tensor, b: Tensor) -> Tensor:
            return method.regress(a, b)[0]

        return {
            **super().conformance_params(),
            "arguments": {"width": 16, "hidden": 32, "momentum": 0.9, "schedule": "constant"},
            "momentum": ("target.backbone", "backbone", 0.9),
            "view_loss": view_loss,
            "refused": [{"momentum": 1.1}, {"schedule": "sine"}],
        }

    def loss(self, batch: Batch) -> Losses:
        """``2 - 2 cos`` of prediction and target, added over both directions: from 0 to 8.

        Raises:
            ValueError: The batch has a single window.
        """
        self.check_pairs(batch)
        a, b = self.views(batch)
        total, p, z = self.regress(a.signal, b.signal)
        return Losses(total, agreement(p, z))

    def regress(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The loss of two views ``(batch, leads, samples)``, and what the first predicts of the second's projection."""
        p_a, p_b = (self.predictor(self.embed(x)) for x in (a, b))
        self.target.catch_up(self.backbone, self.projector)
        z_a, z_b = self.target(a), self.target(b)
        return cosine_distance(p_a, z_b) + cosine_distance(p_b, z_a), p_a, z_b
