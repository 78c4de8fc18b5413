"""Linear head: one linear layer on the embedding; the linear probe."""

from __future__ import annotations

from torch import Tensor, nn

from ecg_core.contracts.head import Head

__all__ = ["LinearHead"]


class LinearHead(Head):
    """Dropout, then one linear layer that infers its input.

    Args:
        classes: Number of scores.
        dropout: Probability of zeroing a channel of the embedding in training.

    Shape:
        ``(batch, channels)`` to ``(batch, classes)``

    Raises:
        ValueError: ``classes`` is below 1.
    """

    def __init__(self, classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"a head needs at least one class, got {classes}")
        self.classes = classes
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.LazyLinear(classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``(batch, classes)``."""
        return self.linear(self.dropout(x))
