"""U-Net decoder: from the coarsest map upwards, each finer map is set beside what comes from below.

Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015, arXiv:1505.04597.

Differs from the paper: it stands on any backbone's maps; the coarser map is repeated to the steps of the finer one instead of
being cropped, so that every length works; convolutions keep the length and are normalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.repetition import repeated_to
from ecg_core.contracts.head import Head

__all__ = ["UNetDecoder"]


class UNetDecoder(Head):
    """Repeat, concatenate, two convolutions; once per finer map; then one score per class and step of the finest.

    Args:
        classes: Number of scores.
        widths: Channels after each fusion, from coarse to fine; of the backbone's maps the last ``len(widths) + 1`` are used.
        kernel_size: Odd kernel length of the convolutions, in steps.
        dropout: Probability of zeroing a channel before the scores in training.

    Shape:
        maps ``(batch, channels, steps)``, finest first, to ``(batch, classes, steps of the finest one used)``

    Raises:
        ValueError: ``classes`` is below 1, or the backbone gives too few maps.
    """

    reads = "intermediates"

    def __init__(
        self, classes: int, *, widths: Sequence[int] = (128, 64, 32), kernel_size: int = 7, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"a head needs at least one class, got {classes}")
        self.classes = classes
        self.grid = -1 - len(widths)
        self.fusions = nn.ModuleList(
            nn.Sequential(ConvNormActivation(None, width, kernel_size), ConvNormActivation(width, width, kernel_size))
            for width in widths
        )
        self.dropout = nn.Dropout1d(dropout)
        self.scores = nn.LazyConv1d(classes, 1)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"widths": (8, 4), "kernel_size": 3}, "refused": [{"classes": 0}, {"classes": 2, "kernel_size": 4}]}

    def forward(self, x: Sequence[Tensor]) -> Tensor:
        """Logits, ``(batch, classes, steps)``."""
        if len(x) < -self.grid:
            raise ValueError(
                f"a U-Net decoder of {len(self.fusions)} fusions needs {-self.grid} maps, the backbone gives {len(x)}; "
                f"give it {len(x) - 1} widths"
            )
        y = x[-1]
        for fusion, finer in zip(self.fusions, reversed(x[self.grid : -1]), strict=True):
            y = fusion(torch.cat([finer, repeated_to(y, finer.shape[-1])], dim=1))
        return self.scores(self.dropout(y))
