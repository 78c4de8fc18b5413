"""Multi-head self-attention (Vaswani et al., "Attention is all you need", NeurIPS 2017), fast on the CPU too."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SelfAttention", "attend"]


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention of every token to every token, each ``(batch, heads, tokens, head_width)``.

    ``mask``, booleans that spread over ``(batch, heads, tokens, tokens)``, is true where a token (third axis) may look at
    another (fourth axis); every token must be allowed one at least.

    PyTorch's fused kernel is the right choice everywhere except for half precision on a CPU, where its backward pass
    is several times slower than the three matrix operations it replaces.
    """
    if query.device.type == "cpu" and query.dtype in (torch.bfloat16, torch.float16):
        logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)  # (batch, heads, tokens, tokens)
        if mask is not None:
            logits = logits.masked_fill(~mask, -torch.inf)
        return logits.softmax(dim=-1, dtype=torch.float32).to(value.dtype) @ value
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


class SelfAttention(nn.Module):
    """Every token looks at every token.

    Args:
        width: Channels of a token.
        heads: Number of heads.
        head_width: Channels of one head; independent of ``width``.
        qkv_bias: Queries, keys and values have a bias.
        bias: What is attended has a bias.

    Shape:
        ``(batch, tokens, width)`` to the same
    """

    def __init__(self, width: int, *, heads: int, head_width: int = 64, qkv_bias: bool = True, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * heads * head_width, bias=qkv_bias)
        self.out = nn.Linear(heads * head_width, width, bias=bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The attended tokens; ``mask`` as in :func:`attend`."""
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))  # (batch, tokens, 3, heads, head_width)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (batch, heads, tokens, head_width)
        return self.out(attend(query, key, value, mask).transpose(1, 2).flatten(2))
