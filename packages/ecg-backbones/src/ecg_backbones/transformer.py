"""Transformer over the steps of all leads together: convolutions shorten time, then every step sees every other.

Vaswani et al., "Attention is all you need", NeurIPS 2017, arXiv:1706.03762, with normalisations in front; the convolutions of
Xiao et al., "Early convolutions help transformers see better", NeurIPS 2021, arXiv:2106.14881.

Differs from torch_ecg: steps know their position, so that their order counts. For tokens of single leads see ``vit.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_core.contracts.backbone import Backbone
from ecg_core.layers.positions import sincos_positions
from ecg_core.layers.transformer import TransformerBlock

__all__ = ["Transformer"]


class Transformer(Backbone):
    """A strided stem, fixed positions, and transformer blocks.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        width: Channels of a step in the blocks, even.
        depth: Transformer blocks.
        heads: Attention heads.
        head_width: Channels of one head.
        mlp_ratio: Hidden channels of a perceptron per channel of a step.
        stem_widths: Channels of the stem's convolutions before the last, which has ``width``; each halves the steps.
        stem_kernel_size: Odd kernel length of the stem's convolutions, in steps.
        dropout: Dropout in the blocks.
        drop_path: Probability that a window skips a branch of the last block in training; it grows linearly from the first.
        kernel_scale: ``fs`` over the sampling frequency that the kernels were made for.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, ceil(samples / 2 ** (len(stem_widths) + 1)))``

    Raises:
        ValueError: The width is odd, or the kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1706.03762", "arXiv:2106.14881")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        width: int = 256,
        depth: int = 6,
        heads: int = 8,
        head_width: int = 32,
        mlp_ratio: float = 4.0,
        stem_widths: Sequence[int] = (64, 128, 256),
        stem_kernel_size: int = 15,
        dropout: float = 0.1,
        drop_path: float = 0.0,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if width < 2 or width % 2:
            raise ValueError(f"half of the channels hold sines and half cosines, so width must be even, got {width}")
        self.width = width
        kernel, channels, seen = scaled_kernel(stem_kernel_size, kernel_scale), in_leads, Geometry()
        self.stem = nn.Sequential()
        for out in (*stem_widths, width):
            layer = ConvNormActivation(channels, out, kernel, stride=2)
            self.stem.append(layer)
            channels, seen = out, layer.after(seen)
        rates = [drop_path * number / max(depth - 1, 1) for number in range(depth)]
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads=heads, head_width=head_width, mlp_ratio=mlp_ratio, dropout=dropout, drop_path=rate)
            for rate in rates
        )
        self.norm = nn.LayerNorm(width)
        self.stages = (seen.stage(width, sees_all=True),)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"width": 8, "depth": 1, "heads": 2, "head_width": 4, "stem_widths": (4,), "stem_kernel_size": 3}
        return {"arguments": tiny, "leads": 3, "samples": 80, "refused": [{"width": 7}, {"stem_kernel_size": 4}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        first = self.stem[0]
        assert isinstance(first, ConvNormActivation)
        return first.conv.known_channels

    def encode(self, steps: Tensor) -> Tensor:
        """``(batch, steps, width)`` with their positions, through all blocks, normalised."""
        steps = steps + sincos_positions(steps.shape[1], self.width, like=steps).to(steps.dtype)
        for block in self.blocks:
            steps = block(steps)
        encoded: Tensor = self.norm(steps)
        return encoded

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """One map, ``(batch, width, ceil(samples / stride))``."""
        self.check_input(x)
        # Laid out anew, so that an exported program need not compare strides.
        return [self.encode(self.stem(x).transpose(1, 2).contiguous()).transpose(1, 2)]
