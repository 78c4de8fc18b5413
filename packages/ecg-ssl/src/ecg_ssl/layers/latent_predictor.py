"""Predictor of a JEPA: what the teacher says of hidden times, from the encoded visible ones.

Assran et al., "Self-supervised learning from images with a joint-embedding predictive architecture", CVPR 2023, in the two
forms of Weimann and Conrad, arXiv:2410.13867 (positions once, interleaved, no biases), and of Kim, arXiv:2410.08559 (positions
before every block, each lead on its own).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ecg_core.layers.initialization import start_small
from ecg_core.layers.positions import sincos_positions
from ecg_core.layers.transformer import TransformerBlock

__all__ = ["LatentPredictor"]


class LatentPredictor(nn.Module):
    """Puts a learned token where a time is hidden and predicts what stands there.

    Args:
        in_width: Channels of an encoded token, and of what is predicted.
        width: Channels of the predictor's tokens, even, and a multiple of 4 for a grid.
        depth: Transformer blocks.
        heads: Attention heads, which share the width evenly.
        mlp_ratio: Hidden channels of a perceptron per channel of a token.
        positions: Sin-cos positions are added to the tokens ``"once"``, or again before ``"every_block"``.
        layout: Of the positions; ``"grid"`` are those of the first lead on a grid, as Kim's code has them: half of the channels
            tell the time, the others are constant.
        qkv_bias: Queries, keys and values have a bias.
        bias: Everything else has one.
        norm_eps: Added to the variance by normalisations.
        scale: Branches start smaller by the ``"depth"`` or by the ``"number"`` of their block.

    Shape:
        ``(sequences, kept, in_width)`` to ``(sequences, hidden, in_width)``

    Raises:
        ValueError: The width does not divide into sines and cosines, or among the heads.
    """

    def __init__(
        self,
        in_width: int,
        *,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: float = 4.0,
        positions: Literal["once", "every_block"] = "once",
        layout: Literal["concatenated", "interleaved", "grid"] = "concatenated",
        qkv_bias: bool = True,
        bias: bool = True,
        norm_eps: float = 1e-5,
        scale: Literal["depth", "number"] = "depth",
    ) -> None:
        super().__init__()
        parts = 4 if layout == "grid" else 2
        if width < parts or width % parts or width % heads:
            raise ValueError(f"predictor_width must be a multiple of {parts} and of the {heads} heads, got {width}")
        self.width, self.positions, self.layout = width, positions, layout
        self.embed = nn.Linear(in_width, width, bias=bias)
        self.mask_token = nn.Parameter(torch.empty(width))
        blocks = [
            TransformerBlock(
                width,
                heads=heads,
                head_width=width // heads,
                mlp_ratio=mlp_ratio,
                norm_eps=norm_eps,
                qkv_bias=qkv_bias,
                bias=bias,
            )
            for _ in range(depth)
        ]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width, eps=norm_eps, bias=bias)
        self.head = nn.Linear(width, in_width, bias=bias)
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        start_small(self, blocks, scale=scale)

    def forward(self, tokens: Tensor, keep: Tensor, hidden: Tensor) -> Tensor:
        """Predictions of the hidden times.

        Args:
            tokens: ``(sequences, kept, in_width)``.
            keep: ``(sequences, kept)`` their times.
            hidden: ``(sequences, hidden)`` the times to predict.
        """
        return self.every(tokens, keep, hidden)[:, keep.shape[1] :]

    def every(self, tokens: Tensor, keep: Tensor, hidden: Tensor) -> Tensor:
        """What is said of the kept times, in front, and of the hidden ones: ``(sequences, kept + hidden, in_width)``."""
        seen = self.embed(tokens)
        times = torch.cat([keep, hidden], dim=1)
        where = self.table(times.shape[1], like=seen)[times]  # (sequences, times, width)
        sequence = torch.cat([seen, self.mask_token.to(seen.dtype).expand(*hidden.shape, -1)], dim=1)
        if self.positions == "once":
            sequence = sequence + where
        for block in self.blocks:
            sequence = block(sequence + where if self.positions == "every_block" else sequence)
        return self.head(self.norm(sequence))

    def table(self, times: int, *, like: Tensor) -> Tensor:
        """``(times, width)`` positions."""
        if self.layout != "grid":
            return sincos_positions(times, self.width, like=like, layout=self.layout)
        time = sincos_positions(times, self.width // 2, like=like)
        return torch.cat([time, sincos_positions(1, self.width // 2, like=like).expand(times, -1)], dim=1)
