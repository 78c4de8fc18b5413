"""Temporal convolutional network.

Bai, Kolter, Koltun, "An empirical evaluation of generic convolutional and recurrent
networks for sequence modeling", arXiv:1803.01271, 2018 (figure 1, section 3).

Differs from the paper: convolutions are centred instead of causal, because a recording
is there as a whole; batch normalisation stands in for weight normalisation, whose
modules cannot be pickled; and a strided stem takes four samples per step, as an ECG
has hundreds of samples per second.
"""

from __future__ import annotations

from typing import Any

from ecg_core import Backbone, Stage, Variant
from torch import Tensor, nn

_STEM_STRIDE = 4  # 16 ms at 250 Hz, a fifth of a QRS complex
_STEM_KERNEL = 15


class TemporalBlock(nn.Module):
    """Two dilated convolutions and a shortcut (figure 1b).

    Args:
        channels: Channels of input and output.
        kernel_size: Odd kernel length, in taps.
        dilation: Steps between two taps.
        dropout: Probability that a whole channel is silenced.

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    def __init__(
        self, channels: int, *, kernel_size: int, dilation: int, dropout: float
    ) -> None:
        super().__init__()
        padding = dilation * (kernel_size // 2)
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [
                nn.Conv1d(
                    channels,
                    channels,
                    kernel_size,
                    dilation=dilation,
                    padding=padding,
                    bias=False,
                ),
                nn.BatchNorm1d(channels),
                nn.ReLU(),
                nn.Dropout1d(dropout),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        residual: Tensor = self.layers(x)
        return (x + residual).relu()


class TCN(Backbone):
    """Residual blocks whose dilation doubles from one to the next.

    A feature sees ``1 + 2 (kernel_size - 1) (2 ** levels - 1)`` steps of the stem; those
    of ``tcn`` see 757 steps or 12 s at 250 Hz, a whole recording.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        width: Channels of every block.
        levels: Residual blocks; the last one has dilation ``2 ** (levels - 1)``.
        kernel_size: Odd kernel length of the blocks, in taps.
        dropout: Probability that a channel is silenced. The paper tunes it per task; 0
            leaves the features a function of the input, which most SSL methods expect.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, ceil(samples / 4))``

    Raises:
        ValueError: ``levels`` is not positive, or the kernel is even.
    """

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        width: int = 64,
        levels: int = 6,
        kernel_size: int = 7,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if levels < 1:
            raise ValueError(f"levels must be 1 or more, got {levels}")
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        self.in_leads = in_leads
        self.stages = (Stage(width, _STEM_STRIDE),) * levels
        self.stem = nn.Sequential(
            _stem(in_leads, width), nn.BatchNorm1d(width), nn.ReLU()
        )
        self.blocks = nn.ModuleList(
            TemporalBlock(
                width, kernel_size=kernel_size, dilation=2**level, dropout=dropout
            )
            for level in range(levels)
        )

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """The smallest sensible example, for the contract kit."""
        return {
            "arguments": {"width": 8, "levels": 2, "kernel_size": 3},
            "leads": 3,
            "samples": 200,
            "refused": [{"levels": 0}, {"kernel_size": 4}],
        }

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps of each block, ``(batch, width, ceil(samples / 4))``."""
        self.check_input(x)
        self.in_leads = x.shape[1]
        x = self.stem(x)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features


def _stem(in_leads: int | None, width: int) -> nn.Module:
    """A step for every fourth sample, centred on it."""
    # No bias before a normalisation, which would take it out again.
    words: dict[str, Any] = {
        "stride": _STEM_STRIDE,
        "padding": _STEM_KERNEL // 2,
        "bias": False,
    }
    if in_leads is None:
        return nn.LazyConv1d(width, _STEM_KERNEL, **words)
    return nn.Conv1d(in_leads, width, _STEM_KERNEL, **words)


tcn = Variant(TCN, {"width": 64, "levels": 6})
tcn_small = Variant(TCN, {"width": 32, "levels": 5})
