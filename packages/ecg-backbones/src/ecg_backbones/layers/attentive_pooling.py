"""Attentive pooling: one vector per window, a mean over time whose weights are learned.

Lin et al., "A structured self-attentive sentence embedding", ICLR 2017, arXiv:1703.03130 (one hop). It is a pooling and not
an attention layer of ``ATTN_LAYERS``, whose output has the shape of their input; the head ``attention_pooling`` uses it.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["AttentivePooling"]


class AttentivePooling(nn.Module):
    """``Σ softmax(v · tanh(W x)) x`` over the steps.

    Differs from the paper: the last layer has no bias, which the softmax would take out again.

    Args:
        hidden: Hidden channels of the weights.
        dropout: Dropout on what the weights are computed from.

    Shape:
        ``(batch, channels, steps)`` to ``(batch, channels)``; the channels are those of the first input
    """

    def __init__(self, *, hidden: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.LazyLinear(hidden)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The weighed mean."""
        scores = self.score(self.hidden(self.dropout(x.transpose(1, 2))).tanh())  # (batch, steps, 1)
        return (x * scores.softmax(dim=1).transpose(1, 2)).sum(dim=-1)
