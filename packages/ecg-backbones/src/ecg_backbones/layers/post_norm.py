"""What encoders of speech share: positions told by a long convolution, and transformer blocks that normalise behind.

Baevski, Zhou, Mohamed, Auli, "wav2vec 2.0", NeurIPS 2020, arXiv:2006.11477; Salimans & Kingma, "Weight normalization", NeurIPS
2016; Fan, Grave, Joulin, "Reducing transformer depth on demand with structured dropout", ICLR 2020, for whole blocks left out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecg_core.layers.attention import SelfAttention

__all__ = ["ConvolutionalPositions", "PostNormBlock"]


class ConvolutionalPositions(nn.Module):
    """A grouped convolution over the steps with its weight as length and direction.

    Args:
        width: Channels of a step.
        kernel_size: Steps that it sees.
        groups: Groups of channels that do not see each other.

    Shape:
        ``(batch, width, steps)`` to the same
    """

    def __init__(self, width: int, kernel_size: int, groups: int) -> None:
        super().__init__()
        self.groups, self.kernel_size = groups, kernel_size
        self.direction = nn.Parameter(torch.empty(width, width // groups, kernel_size))
        nn.init.normal_(self.direction, std=(4.0 / (kernel_size * width)) ** 0.5)
        self.length = nn.Parameter(self.direction.detach().norm(dim=(0, 1), keepdim=True))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """What is added to the steps."""
        weight = self.direction * (self.length / self.direction.norm(dim=(0, 1), keepdim=True))
        y = nn.functional.conv1d(x, weight, self.bias, padding=self.kernel_size // 2, groups=self.groups)
        return nn.functional.gelu(y[..., : x.shape[-1]])  # an even kernel gives one step too many


class PostNormBlock(nn.Module):
    """``norm(x + attention(x))``, then ``norm(x + mlp(x))``.

    Args:
        width: Channels of a token.
        heads: Attention heads, which share the width evenly.
        mlp_ratio: Hidden channels of the perceptron per channel of a token.
        dropout: Dropout after the attention and after the perceptron.
        skip: Probability that the block is left out for a whole batch in training.

    Shape:
        ``(batch, tokens, width)`` to the same
    """

    def __init__(self, width: int, *, heads: int, mlp_ratio: float, dropout: float, skip: float = 0.0) -> None:
        super().__init__()
        if not 0 <= skip < 1:
            raise ValueError(f"skip must be a probability in [0, 1), got {skip!r}")
        hidden = int(width * mlp_ratio)
        self.attention = SelfAttention(width, heads=heads, head_width=width // heads)
        self.attention_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.mlp_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.skip = skip

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The tokens after both branches; ``mask`` says who may look at whom, as in :func:`~ecg_core.layers.attention.attend`."""
        y = self.attention_norm(x + self.dropout(self.attention(x, mask)))
        y = self.mlp_norm(y + self.dropout(self.mlp(y)))
        if not self.training or self.skip == 0.0:
            return y
        # Chosen rather than passed by: every parameter keeps a gradient, which several processes wait for.
        return torch.where(torch.rand((), device=x.device) < self.skip, x, y)
