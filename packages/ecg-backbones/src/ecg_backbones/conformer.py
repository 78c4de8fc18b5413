"""Conformer over time: attention for what is far, a depthwise convolution for what is near, between two half perceptrons.

Gulati et al., "Conformer: convolution-augmented transformer for speech recognition", Interspeech 2020, arXiv:2005.08100
(figures 1 and 2).

Differs from the paper: fixed positions, added once, instead of relative ones in each attention, and a depthwise kernel of 31
steps instead of 32, so that it has a middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.strided_stem import StridedStem
from ecg_core.contracts.backbone import Backbone
from ecg_core.layers.attention import SelfAttention
from ecg_core.layers.positions import sincos_positions
from ecg_core.layers.transformer import DropPath

__all__ = ["Conformer"]


class _Convolution(nn.Module):
    """Pointwise and gated, depthwise, normalised, pointwise: ``(batch, steps, width)`` to the same (figure 2)."""

    def __init__(self, width: int, kernel_size: int) -> None:
        super().__init__()
        self.gated = same_conv1d(width, 2 * width, 1, bias=True)
        self.depthwise = same_conv1d(width, width, kernel_size, groups=width)
        self.norm = nn.BatchNorm1d(width)
        self.mix = same_conv1d(width, width, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        # Laid out anew at both ends, so that an exported program need not compare strides.
        x = F.glu(self.gated(x.transpose(1, 2).contiguous()), dim=1)
        mixed: Tensor = self.mix(F.silu(self.norm(self.depthwise(x))))
        return mixed.transpose(1, 2).contiguous()


class _Block(nn.Module):
    """Half a perceptron, attention, convolution, half a perceptron; each behind a normalisation and beside the identity."""

    def __init__(
        self, width: int, *, heads: int, head_width: int, mlp_ratio: float, kernel_size: int, dropout: float, drop_path: float
    ) -> None:
        super().__init__()
        hidden = int(mlp_ratio * width)

        def perceptron() -> nn.Sequential:
            inner = [nn.Linear(width, hidden), nn.SiLU(), nn.Dropout(dropout), nn.Linear(hidden, width)]
            return nn.Sequential(nn.LayerNorm(width), *inner)

        self.before, self.behind = perceptron(), perceptron()
        self.attention = nn.Sequential(nn.LayerNorm(width), SelfAttention(width, heads=heads, head_width=head_width))
        self.convolution = nn.Sequential(nn.LayerNorm(width), _Convolution(width, kernel_size))
        self.norm, self.dropout, self.drop_path = nn.LayerNorm(width), nn.Dropout(dropout), DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0.5 * self.drop_path(self.dropout(self.before(x)))
        x = x + self.drop_path(self.dropout(self.attention(x)))
        x = x + self.drop_path(self.dropout(self.convolution(x)))
        normal: Tensor = self.norm(x + 0.5 * self.drop_path(self.dropout(self.behind(x))))
        return normal


class Conformer(Backbone):
    """A strided stem, fixed positions, and conformer blocks.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        width: Channels of a step in the blocks, even; the paper's Small has 144.
        depth: Conformer blocks; the paper's Small has 16.
        heads: Attention heads.
        head_width: Channels of one head.
        mlp_ratio: Hidden channels of a perceptron per channel of a step.
        kernel_size: Odd kernel length of the depthwise convolutions, in steps.
        stem_widths: Channels of the stem's convolutions before the last, which has ``width``; each halves the steps.
        stem_kernel_size: Odd kernel length of the stem's convolutions, in steps.
        dropout: Dropout in the blocks.
        drop_path: Probability that a window skips a branch of the last block in training; it grows linearly from the first.
        kernel_scale: ``fs`` over the sampling frequency that the kernels were made for; pointwise ones stay pointwise.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, ceil(samples / 2 ** (len(stem_widths) + 1)))``

    Raises:
        ValueError: The width is odd, or a kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2005.08100",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        width: int = 144,
        depth: int = 16,
        heads: int = 4,
        head_width: int = 36,
        mlp_ratio: float = 4.0,
        kernel_size: int = 31,
        stem_widths: Sequence[int] = (64, 128, 144),
        stem_kernel_size: int = 15,
        dropout: float = 0.1,
        drop_path: float = 0.0,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if width < 2 or width % 2:
            raise ValueError(f"half of the channels hold sines and half cosines, so width must be even, got {width}")
        self.width = width
        self.stem = StridedStem(in_leads, [*stem_widths, width], kernel_size=scaled_kernel(stem_kernel_size, kernel_scale))
        self.blocks = nn.ModuleList(
            _Block(
                width,
                heads=heads,
                head_width=head_width,
                mlp_ratio=mlp_ratio,
                kernel_size=scaled_kernel(kernel_size, kernel_scale),
                dropout=dropout,
                drop_path=drop_path * number / max(depth - 1, 1),
            )
            for number in range(depth)
        )
        self.stages = (self.stem.after(Geometry()).stage(width, sees_all=True),)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny: dict[str, Any] = {"width": 8, "depth": 1, "heads": 2, "head_width": 4, "stem_widths": (4,), "stem_kernel_size": 3}
        refused = [{"width": 7}, {"kernel_size": 4}]
        return {"arguments": {**tiny, "kernel_size": 3}, "leads": 3, "samples": 80, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        return self.stem.in_leads

    def encode(self, steps: Tensor) -> Tensor:
        """``(batch, steps, width)`` with their positions, through all blocks."""
        steps = steps + sincos_positions(steps.shape[1], self.width, like=steps).to(steps.dtype)
        for block in self.blocks:
            steps = block(steps)
        return steps

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """One map, ``(batch, width, ceil(samples / stride))``."""
        self.check_input(x)
        # Laid out anew, so that an exported program need not compare strides.
        return [self.encode(self.stem(x).transpose(1, 2).contiguous()).transpose(1, 2)]
