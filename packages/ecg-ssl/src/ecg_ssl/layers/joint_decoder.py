"""Decoder of a masked autoencoder: hidden patches back from visible tokens, all rows together.

He et al., "Masked autoencoders are scalable vision learners", CVPR 2022, section 3, "MAE decoder".

Differs from the paper: patches may lie on several rows, each with special tokens of its own; every position tells the time
and the lead of a patch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedParameter

from ecg_core.layers.positions import grid_positions
from ecg_core.layers.transformer import TransformerBlock

__all__ = ["JointDecoder"]


class PatchHead(nn.Linear):
    """Tokens into the values of their patches; it is told how many they are, so that another size is an error.

    Shape:
        ``(..., in_features)`` to ``(..., values)``
    """

    def reset_parameters(self) -> None:
        """Xavier-uniform weights, no bias."""
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, tokens: Tensor, values: int) -> Tensor:  # type: ignore[override]
        """The predicted values."""
        if values != self.out_features:
            raise ValueError(f"the decoder was built for patches of {self.out_features} values and these have {values}")
        return F.linear(tokens, self.weight, self.bias)


class LazyPatchHead(LazyModuleMixin, PatchHead):
    """A :class:`PatchHead` that learns from its first input how many values a patch has, and from then on is one."""

    cls_to_become = PatchHead
    weight: UninitializedParameter
    bias: UninitializedParameter  # type: ignore[assignment]

    def __init__(self, width: int) -> None:
        super().__init__(width, 0)
        self.weight = UninitializedParameter()
        self.bias = UninitializedParameter()

    def reset_parameters(self) -> None:
        """Nothing to draw before the number of values is known."""
        if self.out_features:
            super().reset_parameters()

    def initialize_parameters(self, tokens: Tensor, values: int) -> None:
        """Make the weights for patches of this many values."""
        self.out_features = values
        if self.has_uninitialized_params():
            self.weight.materialize((values, self.in_features))
            self.bias.materialize((values,))
            self.reset_parameters()


class JointDecoder(nn.Module):
    """Puts a learned token where a patch is hidden and predicts the values of every patch from all tokens.

    Args:
        in_width: Channels of an encoded token.
        values: Values to predict per patch; ``None`` learns it from the first batch.
        width: Channels of a decoder token, a multiple of 4.
        depth: Transformer blocks.
        heads: Attention heads.
        head_width: Channels of one head.
        mlp_ratio: Hidden channels of a perceptron per channel of a token.
        prefix: Special tokens before the patches of a row; they have no position.
        suffix: Special tokens after them.
        norm_eps: Added to the variance by the normalisations in the blocks; the last one adds 1e-6.

    Shape:
        ``(batch, rows, prefix + kept + suffix, in_width)`` to ``(batch, rows, columns, values)``

    Raises:
        ValueError: The width is no multiple of 4.
    """

    def __init__(
        self,
        in_width: int,
        values: int | None = None,
        *,
        width: int = 256,
        depth: int = 4,
        heads: int = 4,
        head_width: int = 64,
        mlp_ratio: float = 4.0,
        prefix: int = 0,
        suffix: int = 0,
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        if width < 4 or width % 4:
            raise ValueError(
                f"a quarter of the decoder's channels each hold sines and cosines of time and lead, so its width must be a "
                f"multiple of 4, got {width}"
            )
        self.width, self.prefix, self.suffix = width, prefix, suffix
        self.embed = nn.Linear(in_width, width)
        self.mask_token = nn.Parameter(torch.empty(width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads=heads, head_width=head_width, mlp_ratio=mlp_ratio, norm_eps=norm_eps)
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = LazyPatchHead(width) if values is None else PatchHead(width, values)
        nn.init.normal_(self.mask_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear) and not isinstance(module, PatchHead):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, latent: Tensor, restore: Tensor, leads: int, values: int) -> Tensor:
        """Predictions of all patches, in the order of the grid.

        Args:
            latent: ``(batch, rows, prefix + kept + suffix, in_width)``, the kept tokens first to last as they were kept.
            restore: ``(batch, rows, columns)`` where each column stands among kept-then-hidden tokens.
            leads: Leads that share one row.
            values: Values of a patch.
        """
        batch, rows, columns = restore.shape
        tokens = self.embed(latent)
        kept = tokens.shape[2] - self.prefix - self.suffix
        first, visible, last = tokens.split([self.prefix, kept, self.suffix], dim=2)
        hidden = self.mask_token.to(tokens.dtype).expand(batch, rows, columns - kept, self.width)
        patches = torch.cat([visible, hidden], dim=2).gather(2, restore[..., None].expand(-1, -1, -1, self.width))
        where = grid_positions(rows * leads, columns // leads, self.width, like=patches)
        patches = patches + where.unflatten(0, (rows, columns))
        tokens = torch.cat([first.to(patches.dtype), patches, last.to(patches.dtype)], dim=2)
        sequence = tokens.flatten(1, 2)  # (batch, rows * (prefix + columns + suffix), width): every row sees all
        for block in self.blocks:
            sequence = block(sequence)
        patches = sequence.unflatten(1, (rows, -1))[:, :, self.prefix : self.prefix + columns]
        return self.head(self.norm(patches), values)
