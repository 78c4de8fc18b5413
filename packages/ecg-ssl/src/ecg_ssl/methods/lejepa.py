"""LeJEPA: crops of a window agree with the mean of its long crops, and embeddings are kept an isotropic Gaussian.

Balestriero, LeCun, "LeJEPA: provable and scalable self-supervised learning without the heuristics", 2025, arXiv:2511.08544. No
teacher, no stop-gradient, no negatives.

Differs from the paper: crops are of time. With fewer than some 32 windows in a batch the statistic is noisy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_ssl.gather import gather_rows
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.multi_crop import MultiCrop
from ecg_ssl.objectives.sigreg import random_directions, sigreg
from ecg_ssl.views import DEFAULT_VIEWS, agreement

__all__ = ["LeJEPA", "lejepa_loss"]


def lejepa_loss(long: Tensor, short: Tensor, directions: Tensor, *, weight: float = 0.05) -> tuple[Tensor, Tensor, Tensor]:
    """The loss and its two parts.

    Args:
        long: ``(long crops, windows, width)`` projections.
        short: ``(short crops, windows, width)``; there may be none.
        directions: ``(width, count)``.
        weight: Of SIGReg; the rest is that of the invariance.

    Returns:
        ``weight * sigreg + (1 - weight) * invariance``, the SIGReg statistic, and the mean squared distance of all crops from the
        mean of the long ones.
    """
    with torch.autocast(long.device.type, enabled=False):
        everything = torch.cat([long, short]).to(torch.promote_types(long.dtype, torch.float32))
        statistic = sigreg(everything, directions)
        invariance = (everything[: len(long)].mean(dim=0) - everything).square().mean()
    return weight * statistic + (1 - weight) * invariance, statistic, invariance


class LeJEPA(SSLMethod):
    """Long and short crops of a window have one embedding, and the embeddings of all windows are normally distributed.

    Args:
        backbone: Any backbone; its pooled features are the representation.
        augment: What is done to each crop, as transforms, names or configurations.
        long: Long crops of each window.
        short: Short ones.
        long_share: Length of a long crop, as a share of the window.
        short_share: Length of a short one.
        width: Channels of the projection.
        hidden: Channels of the projector's hidden layer.
        weight: Of SIGReg, against the invariance.
        directions: Random directions on which the distribution is tested, anew at every step.
    """

    recipe = Recipe(lr=1e-3, lr_batch=0, weight_decay=0.05, warmup=0.1)
    updates: Tensor

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]] = DEFAULT_VIEWS,
        long: int = 2,
        short: int = 4,
        long_share: float = 0.75,
        short_share: float = 0.25,
        width: int = 64,
        hidden: int = 512,
        weight: float = 0.05,
        directions: int = 1024,
    ) -> None:
        super().__init__()
        if not 0 < weight < 1:
            raise ValueError(f"weight is the share of SIGReg in the loss, between 0 and 1, got {weight!r}")
        self.backbone = backbone
        self.projector = ProjectionHead(backbone.out_channels, hidden=hidden, width=width)
        self.crops = MultiCrop(augment, long=long, short=short, long_share=long_share, short_share=short_share)
        self.weight, self.directions, self.width = weight, directions, width
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        backbones = [
            {"name": "resnet18", "widths": (8, 16), "depths": (1, 1), "kernel_size": 3},
            {"name": "vit_tiny", "width": 16, "depth": 1, "heads": 2, "head_width": 8, "patch_size": 25},
        ]
        return {
            "backbones": backbones,
            "leads": 3,
            "samples": 200,
            "arguments": {"width": 8, "hidden": 16, "short": 1, "directions": 32},
            "refused": [{"long": 0}, {"weight": 1.0}, {"short_share": 0.0}],
        }

    @property
    def arguments(self) -> dict[str, Any]:
        """The views as built, so that a configuration says which package ships each of them."""
        given = super().arguments
        return given | {"augment": list(self.crops.augment.transforms)} if "augment" in given else given

    def loss(self, batch: Batch) -> Losses:
        """:func:`lejepa_loss` of all crops of all windows, those of other processes too.

        Raises:
            ValueError: The batch has a single window.
        """
        if len(batch) < 2:
            raise ValueError(f"LeJEPA tests the distribution of several windows: at least 2 in a batch, got {len(batch)}")
        crops = self.crops(batch)
        long, short = (self._project(some, len(batch)) for some in crops)
        seed = (batch.seed * 1_000_003 + int(self.updates)) * 2 + 1
        total, statistic, invariance = lejepa_loss(
            long, short, random_directions(long.shape[2], self.directions, seed=seed, like=long), weight=self.weight
        )
        logs = {"sigreg": statistic.detach(), "invariance": invariance.detach()}
        return Losses(total, logs | agreement(long[0], long[-1] if len(long) > 1 else short[0]))

    def _project(self, crops: Sequence[Batch], windows: int) -> Tensor:
        """``(crops, windows of all processes, width)``."""
        if not crops:
            return torch.zeros(0, windows, self.width, device=self.updates.device)
        x = torch.cat([crop.signal for crop in crops])
        z = self.projector(self.backbone.pool(self.backbone.forward_features(x))).unflatten(0, (len(crops), windows))
        return gather_rows(z.transpose(0, 1)).transpose(0, 1)

    def after_step(self) -> None:
        """The next step draws other directions."""
        self.updates += 1
