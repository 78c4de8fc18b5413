"""Conformer: attention for what is far apart, convolution for what is near, between two half perceptrons.

Gulati, Qin, Chiu, Parmar, Zhang, Yu, Han, Wang, Zhang, Wu, Pang, "Conformer: convolution-augmented transformer for speech
recognition", Interspeech 2020, arXiv:2005.08100 (figure 1 and equation 1; the sizes are those of Conformer (S) in table 1).

Differs from the paper: the signal itself instead of a spectrogram is subsampled, by three convolutions instead of two, to 32 ms
a step at 250 Hz; positions are fixed sines and cosines added once, not relative ones in every layer, so that attention runs in
PyTorch's fused kernel and knows absolute time; the convolution has 31 taps instead of 32, to have a middle.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.layers.attention import SelfAttention
from ecg_core.layers.positions import sincos_positions
from ecg_core.layers.transformer import DropPath

__all__ = ["Conformer", "ConformerBlock"]


class _Convolution(nn.Module):
    """The convolution module: a gate at each step, each channel over time, normalised, activated, and mixed again."""

    def __init__(self, width: int, *, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * width)
        self.depthwise = ConvNormActivation(width, width, kernel_size, groups=width, activation="silu")
        self.mix = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = F.glu(self.widen(self.norm(x)), dim=-1)
        y = self.depthwise(y.transpose(1, 2)).transpose(1, 2)
        return self.dropout(self.mix(y))


def _perceptron(width: int, dropout: float) -> nn.Sequential:
    """The feed-forward module: normalised first, four times as wide inside."""
    wide = 4 * width
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, wide), nn.SiLU(), nn.Dropout(dropout), nn.Linear(wide, width), nn.Dropout(dropout)
    )


class ConformerBlock(nn.Module):
    """Half a perceptron, attention, convolution, the other half, each added to its input; a normalisation behind them.

    Args:
        width: Channels of a token.
        heads: Attention heads, which share the width.
        kernel_size: Odd kernel length of the convolution, in steps.
        dropout: Dropout in every branch.
        drop_path: Probability that a window skips a branch in training.

    Shape:
        ``(batch, tokens, width)`` to the same
    """

    def __init__(self, width: int, *, heads: int, kernel_size: int, dropout: float = 0.0, drop_path: float = 0.0) -> None:
        super().__init__()
        self.before = _perceptron(width, dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads=heads, head_width=width // heads)
        self.dropout = nn.Dropout(dropout)
        self.convolution = _Convolution(width, kernel_size=kernel_size, dropout=dropout)
        self.after = _perceptron(width, dropout)
        self.norm = nn.LayerNorm(width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """The tokens behind all four."""
        x = x + 0.5 * self.drop_path(self.before(x))
        x = x + self.drop_path(self.dropout(self.attention(self.attention_norm(x))))
        x = x + self.drop_path(self.convolution(x))
        x = x + 0.5 * self.drop_path(self.after(x))
        return self.norm(x)


class Conformer(Backbone):
    """Convolutions that shorten the signal, fixed positions, and Conformer blocks.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        width: Channels of a token, a multiple of twice the heads.
        depth: Blocks.
        heads: Attention heads.
        kernel_size: Odd kernel length of the blocks' convolutions, in steps.
        halvings: Convolutions before the blocks, each of which halves the steps.
        stem_kernel_size: Odd kernel length of these, in steps.
        dropout: Dropout in every branch and before the first block.
        drop_path: Probability that a window skips a branch of the last block in training; earlier blocks skip less often, in
            proportion to their depth.
        kernel_scale: ``fs`` over 250 Hz; scales the kernels.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, ceil(samples / stride))`` with ``stride = 2 ** halvings``

    Raises:
        ValueError: The width does not fit the heads, there is no block or no convolution before them, or a kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2005.08100",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        width: int = 144,
        depth: int = 16,
        heads: int = 4,
        kernel_size: int = 31,
        halvings: int = 3,
        stem_kernel_size: int = 7,
        dropout: float = 0.1,
        drop_path: float = 0.0,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if heads < 1 or width < 1 or width % (2 * heads):
            raise ValueError(f"width must be a multiple of twice the heads, got width={width} and heads={heads}")
        if depth < 1 or halvings < 1:
            raise ValueError(f"a Conformer needs a block and a convolution before it, got depth={depth}, halvings={halvings}")
        self.width = width
        length, stem_length = (scaled_kernel(size, kernel_scale) for size in (kernel_size, stem_kernel_size))
        self.subsample = nn.Sequential()
        channels, seen = in_leads, Geometry()
        for _ in range(halvings):
            conv = ConvNormActivation(channels, width, stem_length, stride=2, activation="silu")
            self.subsample.append(conv)
            channels, seen = width, conv.after(seen)
        self.embed = nn.Sequential(nn.Linear(width, width), nn.Dropout(dropout))
        self.blocks = nn.ModuleList(
            ConformerBlock(
                width, heads=heads, kernel_size=length, dropout=dropout, drop_path=drop_path * number / max(depth - 1, 1)
            )
            for number in range(depth)
        )
        self.stages: tuple[Stage, ...] = (seen.stage(width, sees_all=True),)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"width": 8, "depth": 1, "heads": 2, "kernel_size": 3, "halvings": 2, "stem_kernel_size": 3}
        refused = [{"width": 6}, {"depth": 0}, {"halvings": 0}, {"kernel_size": 4}]
        return {"arguments": tiny, "leads": 3, "samples": 60, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads of the first convolution; ``None`` before the first batch of a lazy one."""
        return self.subsample[0].conv.known_channels  # type: ignore[union-attr, return-value]

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """One map: the tokens behind the last block, ``(batch, width, ceil(samples / stride))``."""
        self.check_input(x)
        tokens = self.embed(self.subsample(x).transpose(1, 2))
        tokens = tokens + sincos_positions(tokens.shape[1], self.width, like=tokens).to(tokens.dtype)
        for block in self.blocks:
            tokens = block(tokens)
        return [tokens.transpose(1, 2)]
