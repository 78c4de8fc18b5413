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
import torch.nn.functional as F
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_ssl.base.contrastive import BaseContrastiveLearner
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.objectives.nt_xent import nt_xent

__all__ = ["DEFAULT_VIEWS", "SimCLR"]

DEFAULT_VIEWS: tuple[Mapping[str, Any], ...] = (
    {"name": "random_masking", "p": 1.0},
    {"name": "lead_dropout", "p": 0.5},
    {"name": "baseline_wander", "p": 0.5},
    {"name": "gaussian_noise", "p": 0.5},
)


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
        crop = [] if crop_seconds is None else [{"name": "random_crop", "seconds": crop_seconds}]
        projector = ProjectionHead(backbone.out_channels, hidden=hidden or backbone.out_channels, width=width)
        super().__init__(backbone, augment=[*crop, *augment], projector=projector)
        self.temperature = temperature

    @property
    def arguments(self) -> dict[str, Any]:
        """The views as built, so that a configuration says which package ships each of them."""
        given = super().arguments
        if "augment" in given:
            transforms = self.augment.transforms
            given["augment"] = list(transforms[len(transforms) - len(given["augment"]) :])  # without the crop in front
        return given

    # Adam, as on ECGs (Mehari and Strodthoff 2022); the large-batch LARS schedule of the first paper is for images.
    recipe = Recipe(lr=1e-3, lr_batch=0, weight_decay=1e-4, warmup=0.1)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit."""
        backbones = [
            {"name": "resnet18", "widths": (8, 16), "depths": (1, 1), "kernel_size": 3},
            {"name": "vit_tiny", "width": 16, "depth": 1, "heads": 2, "head_width": 8, "patch_size": 25},
        ]

        def views(method: SimCLR, batch: Batch) -> list[Tensor]:
            return [view.signal for view in method.views(batch)]

        def view_loss(method: SimCLR, a: Tensor, b: Tensor) -> Tensor:
            z_a, z_b = method.projector(method.backbone.pool(method.backbone(torch.cat([a, b])))).chunk(2)
            return nt_xent(z_a, z_b, temperature=method.temperature)

        return {
            "backbones": backbones,
            "arguments": {"width": 16},
            "leads": 3,
            "samples": 200,
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "views": views,
            "view_loss": view_loss,
        }

    def loss(self, batch: Batch) -> Losses:
        """NT-Xent of two views.

        Logs ``positive_similarity``, the mean cosine of partners, and ``embedding_std``, the spread of the normalised
        projections times the root of their width: 1 when they fill the sphere, 0 when they have collapsed.

        Raises:
            ValueError: The batch has a single window.
        """
        if len(batch) < 2:
            raise ValueError(f"SimCLR needs other windows as negatives: at least 2 in a batch, got {len(batch)}")
        z_a, z_b = self.project(*self.views(batch))
        total = nt_xent(z_a, z_b, temperature=self.temperature)
        with torch.no_grad():
            a, b = F.normalize(z_a.float(), dim=1), F.normalize(z_b.float(), dim=1)
            spread = torch.cat([a, b]).std(dim=0).mean() * a.shape[1] ** 0.5
            return Losses(total, {"positive_similarity": (a * b).sum(dim=1).mean(), "embedding_std": spread})
