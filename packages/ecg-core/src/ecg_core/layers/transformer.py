"""Pre-norm transformer block: Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021, equations 2 and 3."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecg_core.layers.attention import SelfAttention

__all__ = ["DropPath", "TransformerBlock"]


class DropPath(nn.Module):
    """Leave a residual branch out for some windows of a training batch (stochastic depth, Huang et al., ECCV 2016).

    Args:
        rate: Probability that a window skips the branch; the others are scaled so that the mean stays.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be a probability in [0, 1), got {rate!r}")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, tokens, width)``, some windows zeroed in training."""
        if self.rate == 0.0 or not self.training:
            return x
        kept = torch.rand(x.shape[0], 1, 1, device=x.device) >= self.rate
        return x * (kept / (1.0 - self.rate)).to(x.dtype)


class TransformerBlock(nn.Module):
    """``x + attention(norm(x))``, then ``x + mlp(norm(x))``.

    Args:
        width: Channels of a token.
        heads: Attention heads.
        head_width: Channels of one head.
        mlp_ratio: Hidden channels of the perceptron per channel of a token.
        dropout: Dropout after the attention and after the perceptron.
        drop_path: Probability that a window skips a branch in training.
        norm_eps: Added to the variance by both normalisations.
        qkv_bias: Queries, keys and values have a bias.
        bias: Everything else has one, the normalisations too.

    Shape:
        ``(batch, tokens, width)`` to the same
    """

    def __init__(
        self,
        width: int,
        *,
        heads: int,
        head_width: int = 64,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        norm_eps: float = 1e-5,
        qkv_bias: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        hidden = int(width * mlp_ratio)
        self.attention_norm = nn.LayerNorm(width, eps=norm_eps, bias=bias)
        self.attention = SelfAttention(width, heads=heads, head_width=head_width, qkv_bias=qkv_bias, bias=bias)
        self.mlp_norm = nn.LayerNorm(width, eps=norm_eps, bias=bias)
        self.mlp = nn.Sequential(nn.Linear(width, hidden, bias=bias), nn.GELU(), nn.Linear(hidden, width, bias=bias))
        self.dropout = nn.Dropout(dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The tokens after both branches; ``mask`` says who may look at whom, as in :func:`~ecg_core.layers.attention.attend`."""
        x = x + self.drop_path(self.dropout(self.attention(self.attention_norm(x), mask)))
        return x + self.drop_path(self.dropout(self.mlp(self.mlp_norm(x))))
