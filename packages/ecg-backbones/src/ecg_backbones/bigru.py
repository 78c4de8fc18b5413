"""Gated recurrent units that read the steps of a strided stem forwards and backwards.

Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation", EMNLP 2014,
arXiv:1406.1078; in both directions: Schuster and Paliwal, "Bidirectional recurrent neural networks", 1997,
doi:10.1109/78.650093.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ecg_backbones.layers.convolution import scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.strided_stem import StridedStem
from ecg_core.contracts.backbone import Backbone

__all__ = ["BiGRU"]


class BiGRU(Backbone):
    """A strided stem, and layers of gated recurrent units in both directions.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        stem_widths: Channels of the stem's convolutions, each of which halves the steps.
        stem_kernel_size: Odd kernel length of the stem's convolutions, in steps.
        hidden: Channels of each direction.
        depth: Recurrent layers.
        dropout: Dropout between the recurrent layers.
        kernel_scale: ``fs`` over the sampling frequency that the kernels were made for.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, 2 * hidden, ceil(samples / 2 ** len(stem_widths)))``, forwards first

    Raises:
        ValueError: The stem has no convolution, there is no layer, or the kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1406.1078", "doi:10.1109/78.650093")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        stem_widths: Sequence[int] = (32, 64, 128, 128),
        stem_kernel_size: int = 15,
        hidden: int = 128,
        depth: int = 2,
        dropout: float = 0.2,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"a BiGRU needs at least one recurrent layer, got depth={depth}")
        self.stem = StridedStem(in_leads, stem_widths, kernel_size=scaled_kernel(stem_kernel_size, kernel_scale))
        self.recurrent = nn.GRU(
            stem_widths[-1],
            hidden,
            num_layers=depth,
            batch_first=True,
            dropout=dropout if depth > 1 else 0.0,
            bidirectional=True,
        )
        self.stages = (self.stem.after(Geometry()).stage(2 * hidden, sees_all=True),)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"stem_widths": (4, 4), "stem_kernel_size": 3, "hidden": 4, "depth": 1}
        refused = [{"stem_widths": ()}, {"depth": 0}, {"stem_kernel_size": 4}]
        return {"arguments": tiny, "leads": 3, "samples": 80, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        return self.stem.in_leads

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """One map, ``(batch, 2 * hidden, ceil(samples / stride))``."""
        self.check_input(x)
        states, _ = self.recurrent(self.stem(x).transpose(1, 2))
        return [states.transpose(1, 2)]
