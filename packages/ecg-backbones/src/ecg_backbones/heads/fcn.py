"""FCN head: scores of several maps, added from coarse to fine.

Long, Shelhamer, Darrell, "Fully convolutional networks for semantic segmentation", CVPR 2015, arXiv:1411.4038 (figure 3).

Differs from the paper: the coarsest map is scored by a 3-tap convolution and a second one, as in later implementations of it;
upsampling is linear and not learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_core.contracts.head import Head

__all__ = ["FCNHead"]


class FCNHead(Head):
    """FCN-32s, 16s and 8s are ``fused`` 0, 1 and 2 on a backbone of stride 32.

    Args:
        classes: Number of scores.
        fused: Finer maps whose scores are added.
        hidden: Channels between the two convolutions that score the coarsest map.
        dropout: Probability of zeroing one of them in training, over the whole window.

    Shape:
        maps ``(batch, channels, steps)``, finest first, to ``(batch, classes, steps of the finest one used)``

    Raises:
        ValueError: ``classes`` or ``hidden`` is below 1, ``fused`` below 0, or the backbone gives too few maps.
    """

    reads = "intermediates"

    def __init__(self, classes: int, *, fused: int = 2, hidden: int = 128, dropout: float = 0.1) -> None:
        super().__init__()
        if classes < 1 or hidden < 1 or fused < 0:
            raise ValueError(
                f"an FCN head needs classes and hidden of at least 1 and fused of at least 0, got {classes}, {hidden}, {fused}"
            )
        self.classes = classes
        self.grid = -1 - fused
        self.coarsest = nn.Sequential(ConvNormActivation(None, hidden, 3), nn.Dropout1d(dropout), nn.Conv1d(hidden, classes, 1))
        self.finer = nn.ModuleList(nn.LazyConv1d(classes, 1) for _ in range(fused))

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        refused = [{"classes": 0}, {"classes": 2, "hidden": 0}, {"classes": 2, "fused": -1}]
        return {"arguments": {"hidden": 8, "fused": 1}, "refused": refused}

    def forward(self, x: Sequence[Tensor]) -> Tensor:
        """Logits, ``(batch, classes, steps)``."""
        if len(x) < -self.grid:
            raise ValueError(
                f"an FCN head with fused={-1 - self.grid} needs {-self.grid} maps, the backbone gives {len(x)}; "
                f"use fused={len(x) - 1}"
            )
        scores = self.coarsest(x[-1])
        for score, finer in zip(self.finer, reversed(x[self.grid : -1]), strict=True):
            scores = score(finer) + F.interpolate(scores, size=finer.shape[-1], mode="linear")
        return scores
