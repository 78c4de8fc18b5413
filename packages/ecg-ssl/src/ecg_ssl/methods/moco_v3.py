"""MoCo v3 for ECGs: a momentum encoder and a predictor, with the other windows of the batch as negatives.

Chen, Xie, He, "An empirical study of training self-supervised vision transformers", ICCV 2021, arXiv:2104.02057, algorithm 1.

Differs from the paper: the projector is narrower by default. The loss is the paper's, ``2 τ`` times InfoNCE, added over both
directions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_ssl.base.follower import BaseMomentumLearner
from ecg_ssl.gather import gather_rows
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.momentum import MomentumEncoder, MomentumSchedule
from ecg_ssl.objectives.info_nce import info_nce
from ecg_ssl.views import DEFAULT_VIEWS, agreement

__all__ = ["MoCoV3"]


class MoCoV3(BaseMomentumLearner):
    """Predictions from one view find the momentum encoder's projection of the other, both ways.

    Args:
        backbone: Any backbone; its pooled features are the representation.
        augment: Transforms, or the names or configurations from which the registry builds them.
        crop_seconds: Cut each view out of its window at a random place, this long, before anything else.
        width: Channels of the projection.
        hidden: Channels of the hidden layers of projector and predictor.
        layers: Linear layers of the projector: 3 for transformers in the paper, 2 for residual networks.
        temperature: Of the softmax over similarities: 0.2 for transformers in the paper, 1 for residual networks.
        momentum: Share of itself that the key's encoder keeps at the first step.
        schedule: How it goes on from there: ``"cosine"`` rises to 1 over the training.
    """

    recipe = Recipe(lr=1e-3, lr_batch=0, weight_decay=0.1, warmup=0.1)

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]] = DEFAULT_VIEWS,
        crop_seconds: float | None = None,
        width: int = 256,
        hidden: int = 1024,
        layers: int = 3,
        temperature: float = 0.2,
        momentum: float = 0.99,
        schedule: MomentumSchedule = "cosine",
    ) -> None:
        shape: dict[str, Any] = {"hidden": hidden, "width": width, "last_bias": False, "last_norm": True}
        projector = ProjectionHead(backbone.out_channels, layers=layers, **shape)
        target = MomentumEncoder(backbone, projector, momentum=momentum, schedule=schedule, buffers="skip")
        super().__init__(backbone, augment=augment, crop_seconds=crop_seconds, projector=projector, target=target)
        self.predictor = ProjectionHead(width, layers=2, **shape)
        self.temperature = temperature

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""

        def view_loss(method: MoCoV3, a: Tensor, b: Tensor) -> Tensor:
            return method.contrast(a, b)[0]

        return {
            **super().conformance_params(),
            "arguments": {"width": 16, "hidden": 32, "momentum": 0.9, "schedule": "constant"},
            "momentum": ("target.backbone", "backbone", 0.9),
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "view_loss": view_loss,
            "refused": [{"momentum": -0.1}, {"schedule": "sine"}],
        }

    def loss(self, batch: Batch) -> Losses:
        """``2 τ`` times InfoNCE of each view's predictions and the other's keys, added.

        Raises:
            ValueError: The batch has a single window.
        """
        self.check_pairs(batch)
        a, b = self.views(batch)
        total, q, k = self.contrast(a.signal, b.signal)
        return Losses(total, agreement(q, k))

    def contrast(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The loss of two views ``(batch, leads, samples)``, and what the first predicts of the second's key."""
        q_a, q_b = (self.predictor(self.embed(x)) for x in (a, b))
        self.target.catch_up(self.backbone, self.projector)
        k_a, k_b = self.target(a), self.target(b)
        pairs = [(gather_rows(q), gather_rows(k)) for q, k in ((q_a, k_b), (q_b, k_a))]
        both = torch.stack([info_nce(q, k, temperature=self.temperature) for q, k in pairs])
        return 2 * self.temperature * both.sum(), q_a, k_b
