"""Convolutions that shorten the signal, then gated recurrent units in both directions.

Cho, van Merriënboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio, "Learning phrase representations using RNN
encoder-decoder for statistical machine translation", EMNLP 2014, arXiv:1406.1078 (the unit); Schuster, Paliwal, "Bidirectional
recurrent neural networks", IEEE Transactions on Signal Processing 1997, doi:10.1109/78.650093. The sizes are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_core.contracts.backbone import Backbone

__all__ = ["BiGRU"]


class BiGRU(Backbone):
    """Convolutions, each halving the steps, and layers of recurrent units that read what is left from both ends.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        stem_widths: Channels of each convolution.
        kernel_size: Odd kernel length of the convolutions, in steps.
        hidden: Units of each direction.
        depth: Recurrent layers.
        dropout: Probability of zeroing an activation between recurrent layers in training.
        kernel_scale: ``fs`` over 250 Hz; scales the kernels.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, 2 * hidden, ceil(samples / stride))`` with ``stride = 2 ** len(stem_widths)``; the direction that
          reads forwards comes first

    Raises:
        ValueError: There is no convolution or no recurrent layer, or a kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1406.1078", "doi:10.1109/78.650093")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        stem_widths: Sequence[int] = (32, 64, 128),
        kernel_size: int = 7,
        hidden: int = 128,
        depth: int = 2,
        dropout: float = 0.0,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not stem_widths or depth < 1:
            raise ValueError(
                f"a BiGRU needs a convolution and a recurrent layer, got stem_widths={tuple(stem_widths)}, depth={depth}"
            )
        length, channels, seen = scaled_kernel(kernel_size, kernel_scale), in_leads, Geometry()
        self.stem = nn.ModuleList()
        stages = []
        for width in stem_widths:
            conv = ConvNormActivation(channels, width, length, stride=2)
            self.stem.append(conv)
            channels, seen = width, conv.after(seen)
            stages.append(seen.stage(width))
        self.recurrent = nn.GRU(
            stem_widths[-1], hidden, depth, batch_first=True, bidirectional=True, dropout=dropout if depth > 1 else 0.0
        )
        self.stages = (*stages, seen.stage(2 * hidden, sees_all=True))

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"stem_widths": (4, 6), "kernel_size": 3, "hidden": 4}
        return {"arguments": tiny, "leads": 3, "samples": 60, "refused": [{"stem_widths": ()}, {"depth": 0}, {"kernel_size": 4}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads of the first convolution; ``None`` before the first batch of a lazy one."""
        return self.stem[0].conv.known_channels  # type: ignore[union-attr, return-value]

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The map behind each convolution, and the states behind the last recurrent layer."""
        self.check_input(x)
        features = []
        for conv in self.stem:
            x = conv(x)
            features.append(x)
        features.append(self.recurrent(x.transpose(1, 2))[0].transpose(1, 2))
        return features
