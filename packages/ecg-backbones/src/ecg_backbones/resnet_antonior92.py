"""The network of the first large 12-lead study: pre-activation residual units that divide the steps by four.

Ribeiro et al., "Automatic diagnosis of the 12-lead ECG using a deep neural network", Nature Communications 2020,
doi:10.1038/s41467-020-15432-4, arXiv:1904.01949; made for 4096 samples at 400 Hz, which become 16 steps. The sum of a unit
goes on to the next unit's shortcut before it is normalised (He et al., "Identity mappings", ECCV 2016, arXiv:1603.05027).

Differs from the paper: any length is taken, where theirs flattens 16 steps. At lengths that ``4 ** len(widths)`` divides, every
tap lies where theirs does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.convolution import HeConv1d, same_conv1d, scaled_kernel
from ecg_backbones.layers.down_sample import DownSample
from ecg_backbones.layers.geometry import Geometry
from ecg_core.contracts.backbone import Backbone, Stage

__all__ = ["ResNetAntonior92"]


def _norm(channels: int) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(channels, eps=1e-3, momentum=0.01)  # what their framework does unless told otherwise


class _Unit(nn.Module):
    """Two convolutions and a shortcut that is pooled; ``(x, y)`` to ``(x, y)``, activated and not."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = same_conv1d(in_channels, out_channels, kernel_size, even=True)
        self.norm1 = _norm(out_channels)
        # Padded as much less on the left as the stride is longer, so that a step looks at the middle of what it replaces.
        left = max(0, (kernel_size - stride) // 2)
        self.padding = left, max(kernel_size, stride) - 1 - left
        self.conv2 = HeConv1d(out_channels, out_channels, kernel_size, stride=stride, bias=False)
        self.norm2 = _norm(out_channels)
        self.pool = DownSample(stride, "max")
        self.shortcut = nn.Identity() if in_channels == out_channels else same_conv1d(in_channels, out_channels, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        x = self.dropout(self.norm1(self.conv1(x)).relu())
        y = self.conv2(F.pad(x, self.padding)) + self.shortcut(self.pool(y))
        return self.dropout(self.norm2(y).relu()), y

    def after(self, before: Geometry) -> Geometry:
        conv = self.conv2
        long = self.conv1.after(before).then(conv.kernel_size[0], stride=conv.stride[0], padding=self.padding)
        return long.joined([self.pool.after(before)])


class ResNetAntonior92(Backbone):
    """Residual network of Ribeiro et al. 2020.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        stem_width: Channels of the first convolution.
        widths: Channels of each unit.
        strides: Steps of each unit's input per step of its output.
        kernel_size: Kernel length of every convolution, in steps; even ones look half a step ahead.
        dropout: Probability of zeroing an activation in training.
        kernel_scale: ``fs`` over 400 Hz; scales the kernels.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, widths[-1], ceil(samples / stride))`` with the product of ``strides`` as stride, 256

    Raises:
        ValueError: ``widths`` and ``strides`` differ in length or are empty.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1904.01949", "doi:10.1038/s41467-020-15432-4", "arXiv:1603.05027")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        stem_width: int = 64,
        widths: Sequence[int] = (128, 196, 256, 320),
        strides: Sequence[int] = (4, 4, 4, 4),
        kernel_size: int = 16,
        dropout: float = 0.2,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if len(widths) != len(strides) or not widths:
            raise ValueError(f"each unit needs a width and a stride, got widths={tuple(widths)}, strides={tuple(strides)}")
        length = scaled_kernel(kernel_size, kernel_scale)
        conv = same_conv1d(in_leads, stem_width, length, even=True)
        self.stem = nn.Sequential(conv, _norm(stem_width), nn.ReLU())
        self.units = nn.ModuleList()
        seen, channels, stages = conv.after(Geometry()), stem_width, []
        for width, stride in zip(widths, strides, strict=True):
            unit = _Unit(channels, width, kernel_size=length, stride=stride, dropout=dropout)
            self.units.append(unit)
            seen, channels = unit.after(seen), width
            stages.append(seen.stage(width))
        self.stages: tuple[Stage, ...] = tuple(stages)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"stem_width": 4, "widths": (4, 6), "strides": (2, 4), "kernel_size": 4}
        return {"arguments": tiny, "leads": 3, "samples": 200, "refused": [{"strides": (2,)}, {"widths": (), "strides": ()}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        first = self.stem[0]
        assert isinstance(first, HeConv1d)
        return first.known_channels

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps after each unit, normalised and activated."""
        self.check_input(x)
        x = y = self.stem(x)
        features = []
        for unit in self.units:
            x, y = unit(x, y)
            features.append(x)
        return features
