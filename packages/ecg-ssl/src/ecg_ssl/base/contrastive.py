"""What contrastive methods share: a backbone, an augmentation, a projector, and two views of every window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch

__all__ = ["BaseContrastiveLearner"]


class BaseContrastiveLearner(SSLMethod):
    """Base of methods that compare augmented views; a subclass implements :meth:`loss`.

    Args:
        backbone: Any backbone.
        augment: Transforms, or the names or configurations from which the registry builds them.
        crop_seconds: Cut each view out of its window at a random place, this long, before anything else.
        projector: From pooled features ``(batch, channels)`` to what the loss compares.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]],
        projector: nn.Module,
        crop_seconds: float | None = None,
    ) -> None:
        super().__init__()
        crop = [] if crop_seconds is None else [{"name": "random_crop", "seconds": crop_seconds}]
        self.backbone = backbone
        self.augment = Compose([*crop, *augment])
        self.projector = projector

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on, in every method of two views: two small backbones, and how to get the views."""
        backbones = [
            {"name": "resnet18", "widths": (8, 16), "depths": (1, 1), "kernel_size": 3},
            {"name": "vit_tiny", "width": 16, "depth": 1, "heads": 2, "head_width": 8, "patch_size": 25},
        ]

        def views(method: BaseContrastiveLearner, batch: Batch) -> list[Tensor]:
            return [view.signal for view in method.views(batch)]

        return {"backbones": backbones, "leads": 3, "samples": 200, "views": views}

    @property
    def arguments(self) -> dict[str, Any]:
        """The views as built, so that a configuration says which package ships each of them."""
        given = super().arguments
        if "augment" in given:
            transforms = self.augment.transforms
            given["augment"] = list(transforms[len(transforms) - len(given["augment"]) :])  # without the crop in front
        return given

    def check_pairs(self, batch: Batch) -> None:
        """One clear error for a batch that has nothing to compare with.

        Raises:
            ValueError: The batch has a single window.
        """
        if len(batch) < 2:
            raise ValueError(
                f"{type(self).__name__} needs other windows to compare with: at least 2 in a batch, got {len(batch)}"
            )

    def views(self, batch: Batch, count: int = 2) -> tuple[Batch, ...]:
        """Independently augmented versions of the batch, a pure function of its seed, epoch and records."""
        with torch.no_grad(), torch.autocast(batch.signal.device.type, enabled=False):
            return tuple(self.augment(batch, generator=batch.draws(view)) for view in range(count))

    def project(self, *views: Batch) -> tuple[Tensor, ...]:
        """``(batch, width)`` projections of each view.

        All views go through the backbone together, as in SimCLR's code: batch statistics are those of all of them, and
        no view can be told by its own.
        """
        return self.embed(torch.cat([view.signal for view in views])).chunk(len(views))

    def embed(self, x: Tensor) -> Tensor:
        """``(batch, leads, samples)`` to projections ``(batch, width)``."""
        return self.projector(self.backbone.pool(self.backbone.forward_features(x)))
