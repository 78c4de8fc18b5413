"""What vision transformers with a class token and one sequence of patches share.

Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021 (ViT), with the patch embedding of Na et al., ICLR 2024
(ST-MEM), whose re-implementations of MTAE and MLAE these are.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Stage
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.layers.transformer import TransformerBlock

__all__ = ["ClassTokenViT", "LazyXavierLinear"]


class LazyXavierLinear(nn.LazyLinear):
    """A linear layer that takes its input size from its first input and starts Xavier-uniform, without bias."""

    def reset_parameters(self) -> None:
        """Nothing to draw before the size of the input is known."""
        if not self.has_uninitialized_params() and self.in_features:
            nn.init.xavier_uniform_(self.weight)
            nn.init.zeros_(self.bias)


class ClassTokenViT(TokenBackbone):
    """Base of encoders that read all patches as one sequence behind a class token.

    A subclass implements ``patchify``, ``embed`` and :meth:`placed`. In pre-training every token is normalised. Features are the
    patch tokens before that, and :meth:`pool` averages first and normalises then; :meth:`class_features` is the normalised
    class token.

    Args:
        patch_embedding: Patches into tokens; lazy where the length of a patch is not known yet.
        width: Channels of a token, even.
        depth: Transformer blocks.
        heads: Attention heads.
        head_width: Channels of one head.
        mlp_ratio: Hidden channels of a perceptron per channel of a token.
        patch_size: Length of a patch, in samples.
        dropout: Dropout in the blocks.
        drop_path: Probability that a window skips a branch of the last block in training; earlier blocks skip less often.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, samples // patch_size)``
    """

    prefix, suffix = 1, 0

    def __init__(
        self,
        patch_embedding: nn.Sequential,
        *,
        width: int,
        depth: int,
        heads: int,
        head_width: int,
        mlp_ratio: float,
        patch_size: int,
        dropout: float,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.width, self.patch_size, self.min_samples = width, patch_size, patch_size
        self.stages = (Stage(width, patch_size, centre=(patch_size - 1) / 2),)
        self.patch_embedding = patch_embedding
        self.class_token = nn.Parameter(torch.empty(width))
        rates = [drop_path * number / max(depth - 1, 1) for number in range(depth)]
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads=heads, head_width=head_width, mlp_ratio=mlp_ratio, dropout=dropout, drop_path=rate)
            for rate in rates
        )
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.class_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear) and not isinstance(module, nn.LazyLinear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    @abstractmethod
    def placed(self, tokens: Tensor, lead_index: Tensor | None) -> Tensor:
        """Tokens ``(batch, 1, columns, width)`` that know their lead; ``lead_index`` ``(leads,)`` which leads they are of."""

    def encode(self, tokens: Tensor, keep: Tensor | None = None, lead_index: Tensor | None = None) -> Tensor:
        """Encode the kept tokens, ``(batch, 1, 1 + kept, width)`` with the class token first, normalised.

        Args:
            tokens: ``(batch, 1, columns, width)`` from :meth:`embed`.
            keep: ``(batch, 1, kept)`` columns to keep, in this order; ``None`` keeps all.
            lead_index: ``(leads,)`` which leads the tokens are of; ``None`` means all the encoder was built for, in order.
        """
        return self.norm(self.attended(tokens, keep, lead_index))

    def attended(self, tokens: Tensor, keep: Tensor | None, lead_index: Tensor | None) -> Tensor:
        """What :meth:`encode` normalises."""
        tokens = self.placed(tokens, lead_index)
        if keep is not None:
            tokens = tokens.gather(2, keep[..., None].expand(-1, -1, -1, self.width))
        first = self.class_token.to(tokens.dtype).expand(tokens.shape[0], 1, self.width)  # it has no position
        sequence = torch.cat([first, tokens.squeeze(1)], dim=1)
        for block in self.blocks:
            sequence = block(sequence)
        return sequence.unsqueeze(1)

    def class_features(self, x: Tensor) -> Tensor:
        """The normalised class token of each window, ``(batch, width)``: the features of MTAE's and MLAE's classifier."""
        self.check_input(x)
        return self.encode(self.embed(self.patchify(x)))[:, 0, 0]

    def pool(self, features: Tensor) -> Tensor:
        """The mean over time, then the last normalisation: ``(batch, width, steps)`` to ``(batch, width)``."""
        return self.norm(features.mean(dim=-1))
