"""Self-attention over the steps of a feature map, by itself or in a whole transformer block.

Vaswani et al., "Attention is all you need", NeurIPS 2017, arXiv:1706.03762; the block is that of Dosovitskiy et al., "An
image is worth 16x16 words", ICLR 2021, arXiv:2010.11929. Neither knows the order of the steps unless ``positions`` are added.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecg_backbones.layers.sized import SizedByInput
from ecg_core.layers.attention import SelfAttention
from ecg_core.layers.transformer import TransformerBlock

__all__ = ["StepAttention", "TransformerEncoder"]


def _head_width(channels: int, heads: int) -> int:
    if channels % heads:
        raise ValueError(f"{channels} channels cannot be divided evenly among {heads} heads; choose heads that divide them")
    return channels // heads


class StepAttention(SizedByInput):
    """Every step looks at every step; what it finds is added to it.

    Args:
        channels: Channels of the input; ``None`` takes them from the first input.
        heads: Attention heads; they share the channels evenly.
        residual: Add what is found to the input; otherwise it takes its place.

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    def __init__(self, channels: int | None = None, *, heads: int = 8, residual: bool = True) -> None:
        super().__init__()
        self.heads, self.residual = heads, residual
        self.start(channels)

    @classmethod
    def conformance_params(cls) -> dict[str, object]:
        """What the contract kit may rely on."""
        return {"arguments": {"channels": 16, "heads": 4}, "refused": [{"heads": 3}]}

    def grow(self, channels: int) -> None:
        self.attention = SelfAttention(channels, heads=self.heads, head_width=_head_width(channels, self.heads))

    def attend(self, x: Tensor) -> Tensor:
        found = self.attention(x.transpose(1, 2)).transpose(1, 2)
        return x + found if self.residual else found


class TransformerEncoder(SizedByInput):
    """Pre-norm transformer blocks over the steps.

    Args:
        channels: Channels of the input; ``None`` takes them from the first input.
        depth: Blocks.
        heads: Attention heads; they share the channels evenly.
        mlp_ratio: Hidden channels of the perceptrons per channel.
        dropout: Dropout after each attention and perceptron.
        drop_path: Probability that a window skips a branch in training.

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    def __init__(
        self,
        channels: int | None = None,
        *,
        depth: int = 1,
        heads: int = 8,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.depth, self.heads, self.mlp_ratio, self.dropout, self.drop_path = depth, heads, mlp_ratio, dropout, drop_path
        self.start(channels)

    @classmethod
    def conformance_params(cls) -> dict[str, object]:
        """What the contract kit may rely on."""
        return {"arguments": {"channels": 16, "heads": 4}, "refused": [{"heads": 3}]}

    def grow(self, channels: int) -> None:
        width = _head_width(channels, self.heads)
        blocks = (
            TransformerBlock(
                channels,
                heads=self.heads,
                head_width=width,
                mlp_ratio=self.mlp_ratio,
                dropout=self.dropout,
                drop_path=self.drop_path,
            )
            for _ in range(self.depth)
        )
        self.blocks = nn.Sequential(*blocks)

    def attend(self, x: Tensor) -> Tensor:
        return self.blocks(x.transpose(1, 2)).transpose(1, 2)
