"""Barlow Twins for ECGs: the dimensions of two views correlate one to one. No negatives, no copy.

Zbontar, Jing, Misra, LeCun, Deny, "Barlow Twins: self-supervised learning via redundancy reduction", ICML 2021,
arXiv:2103.03230.

Differs from the paper: the projector is narrower by default (8192 there).
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
from ecg_ssl.base.contrastive import BaseContrastiveLearner
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.objectives.barlow_twins import barlow_twins
from ecg_ssl.views import DEFAULT_VIEWS, agreement

__all__ = ["BarlowTwins"]


class BarlowTwins(BaseContrastiveLearner):
    """A projector on the pooled features, and the cross-correlation of its outputs.

    Args:
        backbone: Any backbone; its pooled features are the representation.
        augment: Transforms, or the names or configurations from which the registry builds them.
        crop_seconds: Cut each view out of its window at a random place, this long, before anything else.
        width: Channels of each of the projector's three layers.
        redundancy: Weight of the correlations of different dimensions.
        per_dimension: Divide the loss by ``width``, so that a learning rate suits every width.
    """

    recipe = Recipe(lr=1e-3, lr_batch=0, weight_decay=1e-4, warmup=0.1)

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]] = DEFAULT_VIEWS,
        crop_seconds: float | None = None,
        width: int = 1024,
        redundancy: float = 0.0051,
        per_dimension: bool = False,
    ) -> None:
        projector = ProjectionHead(backbone.out_channels, hidden=width, width=width, layers=3, last_bias=False)
        super().__init__(backbone, augment=augment, crop_seconds=crop_seconds, projector=projector)
        self.redundancy = redundancy
        self.scale = 1 / width if per_dimension else 1.0

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""

        def view_loss(method: BarlowTwins, a: Tensor, b: Tensor) -> Tensor:
            return barlow_twins(method.embed(a), method.embed(b)).weighted(method.redundancy)

        return {**super().conformance_params(), "arguments": {"width": 32}, "view_loss": view_loss}

    def loss(self, batch: Batch) -> Losses:
        """The weighted sum of both terms, which are logged.

        Raises:
            ValueError: The batch has a single window.
        """
        self.check_pairs(batch)
        z_a, z_b = self.project(*self.views(batch))
        terms = barlow_twins(z_a, z_b)
        logs = {name: value.detach() for name, value in terms._asdict().items()}
        return Losses(self.scale * terms.weighted(self.redundancy), {**logs, **agreement(z_a, z_b)})
