"""Linear head: one linear layer on the embedding; the linear probe."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ecg_core.contracts.head import Head

__all__ = ["LinearHead"]


class LinearHead(Head):
    """Dropout, then one linear layer that infers its input.

    Args:
        classes: Number of scores.
        dropout: Probability of zeroing a channel of the embedding in training.
        normalise: Standardise each channel of the embedding first, by batch normalisation without weights, as the linear
            probes of He et al. (MAE, CVPR 2022) do: frozen embeddings come at any scale.

    Shape:
        ``(batch, channels)`` to ``(batch, classes)``

    Raises:
        ValueError: ``classes`` is below 1.
    """

    def __init__(self, classes: int, *, dropout: float = 0.0, normalise: bool = False) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"a head needs at least one class, got {classes}")
        self.classes = classes
        self.norm = nn.LazyBatchNorm1d(affine=False) if normalise else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.LazyLinear(classes)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"normalise": True}, "refused": [{"classes": 0}]}

    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``(batch, classes)``."""
        return self.linear(self.dropout(self.norm(x)))
