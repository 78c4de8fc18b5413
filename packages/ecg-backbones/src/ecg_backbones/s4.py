"""State-space network: every channel a linear system over the whole window, channels mixed at each step.

Gu, Goel, Ré, "Efficiently modeling long sequences with structured state spaces", ICLR 2022, arXiv:2111.00396, with the
diagonal systems of Gu, Gupta, Goel, Ré, 2022, arXiv:2206.11893. On ECGs: Mehari and Strodthoff, "Towards quantitative
precision for ECG analysis", IEEE JBHI 2023, arXiv:2308.15291.

Differs from the papers: a strided stem in front, since steps at 500 Hz are more than an ECG needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.state_space import DiagonalStateSpace
from ecg_backbones.layers.strided_stem import StridedStem
from ecg_core.contracts.backbone import Backbone
from ecg_core.layers.transformer import DropPath

__all__ = ["S4"]


class _Block(nn.Module):
    """Normalisation, state space, activation, and a gated pointwise convolution; beside the identity."""

    def __init__(self, width: int, *, state: int, bidirectional: bool, dropout: float, drop_path: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.system = DiagonalStateSpace(width, state=state, bidirectional=bidirectional)
        self.gated = same_conv1d(width, 2 * width, 1, bias=True)
        self.dropout, self.drop_path = nn.Dropout1d(dropout), DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        # Laid out anew, so that an exported program need not compare strides.
        y = self.system(self.norm(x.transpose(1, 2).contiguous()).transpose(1, 2).contiguous())
        y = F.glu(self.gated(self.dropout(F.gelu(y))), dim=1)
        return x + self.drop_path(self.dropout(y))


class S4(Backbone):
    """A strided stem, and blocks of diagonal state spaces.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        width: Channels of the blocks.
        depth: Blocks.
        state: Complex numbers in the state of a channel.
        bidirectional: Look backwards in time too.
        stem_widths: Channels of the stem's convolutions before the last, which has ``width``; each halves the steps.
        stem_kernel_size: Odd kernel length of the stem's convolutions, in steps.
        dropout: Probability of zeroing a channel in training.
        drop_path: Probability that a window skips the last block in training; it grows linearly from the first.
        kernel_scale: ``fs`` over the sampling frequency that the stem's kernels were made for.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, ceil(samples / 2 ** (len(stem_widths) + 1)))``

    Raises:
        ValueError: ``state`` is below 1, or the kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2111.00396", "arXiv:2206.11893", "arXiv:2308.15291")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        width: int = 256,
        depth: int = 4,
        state: int = 16,
        bidirectional: bool = True,
        stem_widths: Sequence[int] = (64,),
        stem_kernel_size: int = 15,
        dropout: float = 0.1,
        drop_path: float = 0.0,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.stem = StridedStem(in_leads, [*stem_widths, width], kernel_size=scaled_kernel(stem_kernel_size, kernel_scale))
        rates = [drop_path * number / max(depth - 1, 1) for number in range(depth)]
        self.blocks = nn.Sequential(
            *(_Block(width, state=state, bidirectional=bidirectional, dropout=dropout, drop_path=rate) for rate in rates)
        )
        self.norm = nn.LayerNorm(width)
        self.stages = (self.stem.after(Geometry()).stage(width, sees_all=True),)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"width": 6, "depth": 1, "state": 3, "stem_widths": (4,), "stem_kernel_size": 3}
        return {"arguments": tiny, "leads": 3, "samples": 80, "refused": [{"state": 0}, {"stem_kernel_size": 4}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        return self.stem.in_leads

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """One map, normalised, ``(batch, width, ceil(samples / stride))``."""
        self.check_input(x)
        y = self.blocks(self.stem(x))
        return [self.norm(y.transpose(1, 2).contiguous()).transpose(1, 2)]
