"""Net1D: stages of grouped bottlenecks with squeeze-and-excitation and shortcuts without weights.

Hong et al., "HOLMES: health online model ensemble serving for deep learning models in intensive care units", KDD 2020,
arXiv:2008.04063 (the network); Li et al., "An electrocardiogram foundation model built on over 10 million recordings", NEJM
AI 2025, arXiv:2410.04133 (ECGFounder, which leaves its normalisations out and activates by swish).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.activations import Activation, activation_layer
from ecg_backbones.layers.convolution import HeConv1d, same_conv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.max_pool import max_pool
from ecg_backbones.layers.squeeze_excite import SqueezeExcite
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone

__all__ = ["Net1D", "net1d_ecgfounder"]


class _Block(nn.Module):
    """Normalise, activate, convolve, three times; weigh the channels; add the input, pooled and filled with empty channels."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        ratio: float,
        kernel_size: int,
        stride: int,
        groups: int,
        norm: bool,
        activation: Activation,
        dropout: float,
        first: bool,
    ) -> None:
        super().__init__()
        neck, self.stride = int(out_channels * ratio), stride
        more = out_channels - in_channels
        self.fill = more // 2, more - more // 2

        def before(channels: int) -> nn.Module:
            parts = [nn.BatchNorm1d(channels)] if norm else []
            return nn.Sequential(*parts, activation_layer(activation), nn.Dropout(dropout))

        self.before1 = nn.Identity() if first else before(in_channels)
        self.conv1 = same_conv1d(in_channels, neck, 1, bias=True)
        self.before2 = before(neck)
        self.conv2 = same_conv1d(neck, neck, kernel_size, stride=stride, groups=groups, bias=True, even=True)
        self.before3 = before(neck)
        self.conv3 = same_conv1d(neck, out_channels, 1, bias=True)
        self.squeeze_excite = SqueezeExcite(out_channels, reduction=2, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.before1(x))
        y = self.conv3(self.before3(self.conv2(self.before2(y))))
        if self.stride > 1:
            # Filled with zeros before the maximum, as published.
            left = (self.stride - 1) // 2
            x = max_pool(F.pad(x, (left, self.stride - 1 - left)), self.stride)
        return self.squeeze_excite(y) + F.pad(x, (0, 0, *self.fill))


class Net1D(Backbone):
    """Stages that halve the steps, of bottlenecks whose long convolution works in groups of a fixed number of channels.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        stem_width: Channels of the first convolution.
        widths: Channels of each stage; they do not shrink.
        depths: Blocks in each stage.
        kernel_size: Kernel length in steps; even ones look half a step ahead.
        group_width: Channels in a group of the long convolutions.
        ratio: Channels of the long convolutions for each channel of the block.
        norm: Whether to normalise by batches.
        activation: By name.
        dropout: Probability of zeroing an activation in training.
        kernel_scale: ``fs`` over 500 Hz; scales the kernels.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, widths[-1], ceil(samples / stride))`` with ``stride = 2 ** (len(widths) + 1)``

    Raises:
        ValueError: ``widths`` and ``depths`` differ in length or are empty, or a stage is narrower than the one before.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2008.04063", "arXiv:2410.04133")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        stem_width: int = 64,
        widths: Sequence[int] = (64, 160, 160, 400, 400, 1024, 1024),
        depths: Sequence[int] = (2, 2, 2, 3, 3, 4, 4),
        kernel_size: int = 16,
        group_width: int = 16,
        ratio: float = 1.0,
        norm: bool = True,
        activation: Activation = "relu",
        dropout: float = 0.0,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if len(widths) != len(depths) or not widths:
            raise ValueError(f"each stage needs a width and a depth, got widths={tuple(widths)}, depths={tuple(depths)}")
        if list(widths) != sorted(widths) or widths[0] < stem_width:
            raise ValueError(
                "shortcuts without weights cannot lose channels: widths must not shrink, "
                f"got stem_width={stem_width}, widths={tuple(widths)}"
            )
        length = scaled_kernel(kernel_size, kernel_scale)
        conv = same_conv1d(in_leads, stem_width, length, stride=2, bias=True, even=True)
        self.stem = nn.Sequential(conv, nn.BatchNorm1d(stem_width) if norm else nn.Identity(), activation_layer(activation))
        self.blocks = nn.ModuleList()
        seen, channels, stages = conv.after(Geometry()), stem_width, []
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            stage = nn.Sequential()
            for index in range(depth):
                block = _Block(
                    channels,
                    width,
                    ratio=ratio,
                    kernel_size=length,
                    stride=1 if index else 2,
                    groups=width // group_width,
                    norm=norm,
                    activation=activation,
                    dropout=dropout,
                    first=number == index == 0,
                )
                stage.append(block)
                channels, seen = width, block.conv2.after(seen)
            self.blocks.append(stage)
            stages.append(seen.stage(width, sees_all=True))
        self.stages = tuple(stages)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"stem_width": 4, "widths": (4, 8), "depths": (1, 1), "kernel_size": 4, "group_width": 2}
        refused = [{"depths": (1,)}, {"stem_width": 6}]
        return {"arguments": tiny, "leads": 3, "samples": 200, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        first = self.stem[0]
        assert isinstance(first, HeConv1d)
        return first.known_channels

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps after each stage."""
        self.check_input(x)
        x = self.stem(x)
        features = []
        for stage in self.blocks:
            x = stage(x)
            features.append(x)
        return features


net1d_ecgfounder = Variant(Net1D, {"norm": False, "activation": "silu"})
