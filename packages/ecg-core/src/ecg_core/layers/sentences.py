"""SentenceTransformer: tokens that know their lead, their second and their place, behind a class token, through blocks.

Jin et al., "Reading your heart", ICLR 2025, arXiv:2502.10707: the ST-ECGFormer, which also encodes and decodes its codes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecg_core.layers.transformer import TransformerBlock

__all__ = ["SentenceTransformer"]

_KINDS = 16  # leads and seconds that are told apart, 0 for none


class SentenceTransformer(nn.Module):
    """Embedding by a circular convolution over three tokens, then blocks.

    Args:
        values: Numbers of a token.
        width: Channels of a token behind the embedding.
        depth: Blocks.
        heads: Attention heads.
        head_width: Channels of each.
        mlp_width: Hidden channels of a perceptron.
        max_tokens: Tokens of a sentence.
        dropout: Dropout behind the embedding and in the blocks.
    """

    def __init__(
        self,
        values: int,
        *,
        width: int,
        depth: int,
        heads: int,
        head_width: int = 64,
        mlp_width: int,
        max_tokens: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(values, width, 3, padding=1, padding_mode="circular", bias=False)
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_in", nonlinearity="leaky_relu")
        self.class_token = nn.Parameter(torch.randn(width))
        self.positions = nn.Parameter(torch.randn(1, max_tokens + 1, width))
        self.lead_embedding, self.time_embedding = nn.Embedding(_KINDS, width), nn.Embedding(_KINDS, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                width, heads=heads, head_width=head_width, mlp_ratio=mlp_width / width, dropout=dropout, qkv_bias=False
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)

    def embed(self, sentence: Tensor) -> Tensor:
        """``(batch, tokens, values)`` to ``(batch, tokens, width)``: each token and its two neighbours, in a ring."""
        return self.convolution(sentence.transpose(1, 2)).transpose(1, 2)

    def contextual(
        self, tokens: Tensor, lead: Tensor | None = None, time: Tensor | None = None, real: Tensor | None = None
    ) -> Tensor:
        """``(batch, tokens, width)`` to ``(batch, 1 + tokens, width)``, the class token in front, normalised.

        Args:
            tokens: From :meth:`embed`.
            lead: ``(batch, tokens)`` int64; ``None`` tells none.
            time: ``(batch, tokens)`` int64; beyond 15 they are 15. ``None`` tells none.
            real: ``(batch, tokens)`` booleans; no token looks at those that are not. ``None`` lets all be seen.
        """
        if lead is not None:
            tokens = tokens + self.lead_embedding(lead)
        if time is not None:
            tokens = tokens + self.time_embedding(time.clamp(max=_KINDS - 1))
        first = self.class_token.to(tokens.dtype).expand(tokens.shape[0], 1, -1)
        x = self.dropout(torch.cat([first, tokens], dim=1) + self.positions)
        mask = None
        if real is not None:
            mask = torch.cat([torch.ones_like(real[:, :1]), real], dim=1)[:, None, None]  # (batch, 1, 1, 1 + tokens)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)
