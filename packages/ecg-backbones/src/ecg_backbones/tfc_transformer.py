"""The encoder of TF-C's code: a transformer of which a token is a stretch of raw samples.

Zhang, Zhao, Tsiligkaridis, Zitnik, "Self-supervised contrastive pre-training for time series via time-frequency consistency",
NeurIPS 2022, arXiv:2206.08496, in the form of its code of January 2023; Vaswani et al., "Attention is all you need", NeurIPS
2017, arXiv:1706.03762, for blocks that normalise behind each branch.

Differs from the code: that feeds whole windows of 178 samples of one lead with the batch as the sequence, so that windows see
each other. Here the stretches of one window are its sequence, and a window of ``patch_size`` samples is a sequence of one.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.layers.attention import SelfAttention

__all__ = ["TFCTransformer"]


class _Block(nn.Module):
    """``norm(x + attention(x))``, then ``norm(x + mlp(x))``."""

    def __init__(self, width: int, *, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads=heads, head_width=width // heads)
        self.attention_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width))
        self.mlp_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention_norm(x + self.dropout(self.attention(x)))
        return self.mlp_norm(x + self.dropout(self.mlp(x)))


class TFCTransformer(Backbone):
    """Post-norm transformer over stretches of raw samples, each lead by itself, averaged over leads.

    Tokens do not know their position, as published.

    Args:
        in_leads: Leads of the input ECG, which share all weights; ``None`` takes those of the first batch.
        patch_size: Samples of a token and its channels; a rest shorter than that is left out.
        depth: Transformer blocks.
        heads: Attention heads, a divisor of ``patch_size``.
        mlp_ratio: Hidden channels of a perceptron per channel of a token.
        dropout: Dropout behind each branch and in the perceptron.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, patch_size, samples // patch_size)``

    Raises:
        ValueError: The heads do not divide a token, or there is no block.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2206.08496", "arXiv:1706.03762")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        patch_size: int = 178,
        depth: int = 2,
        heads: int = 2,
        mlp_ratio: float = 2.0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if heads < 1 or patch_size < 1 or patch_size % heads:
            raise ValueError(
                f"a token is divided among the heads, so patch_size must be a multiple of heads, got {patch_size} samples and "
                f"{heads} heads"
            )
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        self.in_leads, self.patch_size, self.min_samples = in_leads, patch_size, patch_size
        self.stages = (Stage(patch_size, patch_size, centre=(patch_size - 1) / 2),)
        self.blocks = nn.ModuleList(
            _Block(patch_size, heads=heads, hidden=round(mlp_ratio * patch_size), dropout=dropout) for _ in range(depth)
        )

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {
            "arguments": {"patch_size": 8, "depth": 1},
            "leads": 3,
            "samples": 60,
            "refused": [{"patch_size": 9}, {"heads": 0}, {"depth": 0}],
        }

    def steps(self, samples: int, stage: int = -1) -> int:
        """Whole tokens in this many samples."""
        return samples // self.patch_size

    def forward_lead_features(self, x: Tensor) -> Tensor:
        """Features of each lead before they are averaged, ``(batch, leads, patch_size, steps)``."""
        self.check_input(x)
        if self.in_leads is None:
            self.in_leads = x.shape[1]
        steps = self.steps(x.shape[-1])
        whole = x.index_select(-1, torch.arange(steps * self.patch_size, device=x.device))
        tokens = whole.flatten(0, 1).unflatten(-1, (steps, self.patch_size))  # (batch * leads, steps, patch_size)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens.transpose(1, 2).unflatten(0, (x.shape[0], x.shape[1]))

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """One map, the tokens averaged over leads."""
        return [self.forward_lead_features(x).mean(dim=1)]
