"""SimCLR for ECGs.

Chen, Kornblith, Norouzi, Hinton, "A simple framework for contrastive learning of visual representations", ICML 2020. On
ECGs: Mehari, Strodthoff, "Self-supervised representation learning from 12-lead ECG data", Comput. Biol. Med. 2022.

Differs from the papers: of the second one's views, the time-out (here ``random_masking``) is kept and the stretched crop
is not, since it changes the heart rate; leads drop out, and noise and baseline wander are added in mV.
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
from ecg_ssl.base.contrastive import BaseContrastiveLearner
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.objectives.nt_xent import nt_xent
from ecg_ssl.views import DEFAULT_VIEWS, agreement

__all__ = ["SimCLR"]


class SimCLR(BaseContrastiveLearner):
    """Two augmented views of a window are drawn together, views of different windows apart.

    Args:
        backbone: Any backbone; its pooled features are the representation.
        augment: Transforms, or the names or configurations from which the registry builds them.
        crop_seconds: Cut each view out of its window at a random place, this long, before anything else.
        width: Channels of the projection.
        hidden: Channels of the projector's hidden layer; ``None`` takes as many as the backbone has.
        temperature: Of the softmax over similarities.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]] = DEFAULT_VIEWS,
        crop_seconds: float | None = None,
        width: int = 128,
        hidden: int | None = None,
        temperature: float = 0.1,
    ) -> None:
        projector = ProjectionHead(backbone.out_channels, hidden=hidden or backbone.out_channels, width=width)
        super().__init__(backbone, augment=augment, crop_seconds=crop_seconds, projector=projector)
        self.temperature = temperature

    # Adam, as on ECGs (Mehari and Strodthoff 2022); the large-batch LARS schedule of the first paper is for images.
    recipe = Recipe(lr=1e-3, lr_batch=0, weight_decay=1e-4, warmup=0.1)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit."""

        def view_loss(method: SimCLR, a: Tensor, b: Tensor) -> Tensor:
            z_a, z_b = method.projector(method.backbone.pool(method.backbone(torch.cat([a, b])))).chunk(2)
            return nt_xent(z_a, z_b, temperature=method.temperature)

        return {
            **super().conformance_params(),
            "arguments": {"width": 16},
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "view_loss": view_loss,
        }

    def loss(self, batch: Batch) -> Losses:
        """NT-Xent of two views.

        Raises:
            ValueError: The batch has a single window.
        """
        if len(batch) < 2:
            raise ValueError(f"SimCLR needs other windows as negatives: at least 2 in a batch, got {len(batch)}")
        z_a, z_b = self.project(*self.views(batch))
        total = nt_xent(z_a, z_b, temperature=self.temperature)
        return Losses(total, agreement(z_a, z_b))
