"""VICReg for ECGs: two views agree, every dimension varies, and no two dimensions say the same. No negatives, no copy.

Bardes, Ponce, LeCun, "VICReg: variance-invariance-covariance regularization for self-supervised learning", ICLR 2022,
arXiv:2105.04906.

Differs from the paper: the expander is narrower by default (8192 there).
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
from ecg_ssl.objectives.vicreg import vicreg
from ecg_ssl.views import DEFAULT_VIEWS, agreement

__all__ = ["VICReg"]


class VICReg(BaseContrastiveLearner):
    """An expander on the pooled features, and three terms.

    Args:
        backbone: Any backbone; its pooled features are the representation.
        augment: Transforms, or the names or configurations from which the registry builds them.
        crop_seconds: Cut each view out of its window at a random place, this long, before anything else.
        width: Channels of each of the expander's three layers.
        invariance: Weight of the views' squared distance.
        variance: Weight of what each dimension's standard deviation lacks of 1.
        covariance: Weight of the squared covariances of different dimensions.
    """

    recipe = Recipe(lr=1e-3, lr_batch=0, weight_decay=1e-4, warmup=0.1)

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]] = DEFAULT_VIEWS,
        crop_seconds: float | None = None,
        width: int = 1024,
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
    ) -> None:
        projector = ProjectionHead(backbone.out_channels, hidden=width, width=width, layers=3, last_bias=False)
        super().__init__(backbone, augment=augment, crop_seconds=crop_seconds, projector=projector)
        self.weights = (invariance, variance, covariance)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""

        def view_loss(method: VICReg, a: Tensor, b: Tensor) -> Tensor:
            return vicreg(method.embed(a), method.embed(b)).weighted(*method.weights)

        return {**super().conformance_params(), "arguments": {"width": 32}, "view_loss": view_loss}

    def loss(self, batch: Batch) -> Losses:
        """The weighted sum of the terms, which are logged.

        Raises:
            ValueError: The batch has a single window.
        """
        self.check_pairs(batch)
        z_a, z_b = self.project(*self.views(batch))
        terms = vicreg(z_a, z_b)
        logs = {name: value.detach() for name, value in terms._asdict().items()}
        return Losses(terms.weighted(*self.weights), {**logs, **agreement(z_a, z_b)})
