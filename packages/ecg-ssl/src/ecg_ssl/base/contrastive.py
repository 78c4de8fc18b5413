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
        projector: From pooled features ``(batch, channels)`` to what the loss compares.
    """

    def __init__(
        self, backbone: Backbone, *, augment: Sequence[Transform | str | Mapping[str, Any]], projector: nn.Module
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.augment = Compose(augment)
        self.projector = projector

    def views(self, batch: Batch, count: int = 2) -> tuple[Batch, ...]:
        """Independently augmented versions of the batch, a pure function of its seed, epoch and records."""
        with torch.no_grad(), torch.autocast(batch.signal.device.type, enabled=False):
            return tuple(self.augment(batch, generator=batch.draws(view)) for view in range(count))

    def project(self, *views: Batch) -> tuple[Tensor, ...]:
        """``(batch, width)`` projections of each view.

        All views go through the backbone together, as in SimCLR's code: batch statistics are those of all of them, and
        no view can be told by its own.
        """
        x = torch.cat([view.signal for view in views])
        projections = self.projector(self.backbone.pool(self.backbone.forward_features(x)))
        return projections.chunk(len(views))
