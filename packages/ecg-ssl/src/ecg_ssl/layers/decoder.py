"""Lead-wise decoder of ST-MEM: hidden patches back from visible tokens, each lead on its own.

Na et al., ICLR 2024. The same weights decode every lead separately, so that whatever the decoder knows of the other
leads must have come through the encoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecg_core.layers.positions import sincos_positions
from ecg_core.layers.transformer import TransformerBlock

__all__ = ["LeadwiseDecoder"]


class LeadwiseDecoder(nn.Module):
    """Puts a learned token where a patch is hidden and predicts the samples of every patch of a lead.

    Args:
        in_width: Channels of an encoded token.
        patch_size: Samples to predict per patch.
        width: Channels of a decoder token, even.
        depth: Transformer blocks.
        heads: Attention heads.
        head_width: Channels of one head.
        mlp_ratio: Hidden channels of a perceptron per channel of a token.
        prefix: Special tokens before the patches of a lead; they have no position.
        suffix: Special tokens after them.

    Shape:
        ``(batch, leads, prefix + kept + suffix, in_width)`` to ``(batch, leads, columns, patch_size)``
    """

    def __init__(
        self,
        in_width: int,
        patch_size: int,
        *,
        width: int = 256,
        depth: int = 4,
        heads: int = 4,
        head_width: int = 64,
        mlp_ratio: float = 4.0,
        prefix: int = 0,
        suffix: int = 0,
    ) -> None:
        super().__init__()
        self.width, self.prefix, self.suffix = width, prefix, suffix
        self.embed = nn.Linear(in_width, width)
        self.mask_token = nn.Parameter(torch.empty(width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads=heads, head_width=head_width, mlp_ratio=mlp_ratio) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, patch_size)
        nn.init.normal_(self.mask_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, latent: Tensor, restore: Tensor) -> Tensor:
        """Predictions of all patches, in the order of time.

        Args:
            latent: ``(batch, leads, prefix + kept + suffix, in_width)``, the kept tokens first to last as they were kept.
            restore: ``(batch, leads, columns)`` where each column stands among kept-then-hidden tokens.
        """
        batch, leads, columns = restore.shape
        tokens = self.embed(latent)
        kept = tokens.shape[2] - self.prefix - self.suffix
        first, visible, last = tokens.split([self.prefix, kept, self.suffix], dim=2)
        hidden = self.mask_token.to(tokens.dtype).expand(batch, leads, columns - kept, self.width)
        patches = torch.cat([visible, hidden], dim=2).gather(2, restore[..., None].expand(-1, -1, -1, self.width))
        patches = patches + sincos_positions(columns, self.width, like=patches)
        tokens = torch.cat([first.to(patches.dtype), patches, last.to(patches.dtype)], dim=2).flatten(0, 1)
        for block in self.blocks:  # (batch * leads, prefix + columns + suffix, width): no lead sees another
            tokens = block(tokens)
        return self.head(self.norm(tokens[:, self.prefix : self.prefix + columns])).unflatten(0, (batch, leads))
