"""Attentive head: the steps that matter for the question are pooled, then one linear layer."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from ecg_backbones.layers.attentive_pooling import AttentivePooling
from ecg_core.contracts.head import Head

__all__ = ["AttentiveHead"]


class AttentiveHead(Head):
    """A learned mean over the steps of the features, dropout, then one linear layer that infers its input.

    Args:
        classes: Number of scores.
        hidden: Hidden channels of the weights of the steps.
        dropout: Probability of zeroing a channel of the pooled vector in training.

    Shape:
        ``(batch, channels, steps)`` to ``(batch, classes)``

    Raises:
        ValueError: ``classes`` or ``hidden`` is below 1.
    """

    reads: ClassVar[Literal["embedding", "features"]] = "features"

    def __init__(self, classes: int, *, hidden: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        if classes < 1 or hidden < 1:
            raise ValueError(f"a head needs at least one class and one hidden channel, got classes={classes}, hidden={hidden}")
        self.classes = classes
        self.pool = AttentivePooling(hidden=hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.LazyLinear(classes)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"hidden": 8}, "refused": [{"classes": 0}, {"classes": 3, "hidden": 0}]}

    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``(batch, classes)``."""
        return self.linear(self.dropout(self.pool(x)))
