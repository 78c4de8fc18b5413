"""MLP head: one hidden layer between the embedding and the scores."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ecg_core.contracts.head import Head

__all__ = ["MLPHead"]


class MLPHead(Head):
    """A hidden layer that infers its input, GELU, dropout, then one linear layer.

    Args:
        classes: Number of scores.
        hidden: Channels of the hidden layer.
        dropout: Probability of zeroing a hidden channel in training.
        normalise: Standardise each channel of the embedding first, by batch normalisation without weights, as the linear
            probes of He et al. (MAE, CVPR 2022) do: frozen embeddings come at any scale.

    Shape:
        ``(batch, channels)`` to ``(batch, classes)``

    Raises:
        ValueError: ``classes`` or ``hidden`` is below 1.
    """

    def __init__(self, classes: int, *, hidden: int = 256, dropout: float = 0.0, normalise: bool = False) -> None:
        super().__init__()
        if classes < 1 or hidden < 1:
            raise ValueError(f"a head needs at least one class and one hidden channel, got classes={classes}, hidden={hidden}")
        self.classes = classes
        self.norm = nn.LazyBatchNorm1d(affine=False) if normalise else nn.Identity()
        self.hidden = nn.LazyLinear(hidden)
        self.activation = nn.GELU()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, classes)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"hidden": 16}, "refused": [{"classes": 0}, {"classes": 3, "hidden": 0}]}

    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``(batch, classes)``."""
        return self.linear(self.dropout(self.activation(self.hidden(self.norm(x)))))
