"""Darknet-19, Darknet-53 and CSPDarknet-53 over time: the backbones of YOLO.

Redmon and Farhadi, "YOLO9000: better, faster, stronger", CVPR 2017, arXiv:1612.08242 (table 6); "YOLOv3: an incremental
improvement", 2018, arXiv:1804.02767 (table 1); Bochkovskiy, Wang, Liao, "YOLOv4", 2020, arXiv:2004.10934, with the split of
Wang et al., "CSPNet", CVPRW 2020, arXiv:1911.11929.

Differs from the papers: one axis instead of two. Strides can be chosen for each stage: 32 samples are 64 ms at 500 Hz.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ecg_backbones.layers.activations import Activation
from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import HeConv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.max_pool import max_pool
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone

__all__ = ["Darknet", "Darknet19", "cspdarknet53", "darknet19", "darknet53"]

_PAPERS = ("arXiv:1612.08242", "arXiv:1804.02767", "arXiv:2004.10934", "arXiv:1911.11929")


class _Residual(nn.Module):
    """A pointwise and a long convolution beside the identity; no activation follows the sum (YOLOv3, table 1)."""

    def __init__(self, channels: int, hidden: int, kernel_size: int, activation: Activation) -> None:
        super().__init__()
        self.reduce = ConvNormActivation(channels, hidden, 1, activation=activation, slope=0.1)
        self.conv = ConvNormActivation(hidden, channels, kernel_size, activation=activation, slope=0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(self.reduce(x))


class _Stage(nn.Module):
    """A strided convolution, then residual blocks: on all channels, or on one part beside which another passes by.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the output.
        depth: Residual blocks.
        kernel_size: Odd kernel length, in steps.
        stride: Input steps per output step.
        partial: Channels of each part, for a cross-stage-partial stage; ``None`` for a plain one.
        activation: By name.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        depth: int,
        *,
        kernel_size: int,
        stride: int,
        partial: int | None,
        activation: Activation,
    ) -> None:
        super().__init__()
        words: dict[str, Any] = {"activation": activation, "slope": 0.1}
        self.down = ConvNormActivation(in_channels, channels, kernel_size, stride=stride, **words)
        self.partial = partial is not None
        width = channels if partial is None else partial
        if partial is not None:
            self.aside = ConvNormActivation(channels, partial, 1, **words)
            self.enter = ConvNormActivation(channels, partial, 1, **words)
            self.leave = ConvNormActivation(partial, partial, 1, **words)
            self.merge = ConvNormActivation(2 * partial, channels, 1, **words)
        # The halves of a split stage are as narrow as a bottleneck already; the first stage of CSPDarknet is not split in two.
        hidden = width // 2 if width == channels else width
        self.blocks = nn.Sequential(*(_Residual(width, hidden, kernel_size, activation) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        if not self.partial:
            return self.blocks(x)
        return self.merge(torch.cat([self.leave(self.blocks(self.enter(x))), self.aside(x)], dim=1))

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the stage."""
        before = self.down.after(before)
        for block in self.blocks:
            assert isinstance(block, _Residual)
            before = block.conv.after(before)
        return before


class Darknet(Backbone):
    """A convolution, then stages that each stride and add residual blocks.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        stem_width: Channels of the first convolution.
        widths: Channels of each stage.
        depths: Residual blocks in each stage.
        strides: Input steps per output step of each stage; ``None`` means 2 throughout.
        kernel_size: Odd kernel length of the convolutions that are not pointwise.
        partial: Let half of the channels of each stage (all of them in the first) pass by its blocks: CSPDarknet.
        activation: By name.
        kernel_scale: Multiplies the kernel length.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, widths[-1], ceil(samples / stride))``, where the default ``stride`` is ``2 ** len(widths)``

    Raises:
        ValueError: ``widths``, ``depths`` and ``strides`` differ in length or are empty, or the kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = _PAPERS

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        stem_width: int = 32,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        depths: Sequence[int] = (1, 2, 8, 8, 4),
        strides: Sequence[int] | None = None,
        kernel_size: int = 3,
        partial: bool = False,
        activation: Literal["leaky_relu", "mish", "relu", "silu"] = "leaky_relu",
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        strides = [2] * len(widths) if strides is None else strides
        if not len(widths) == len(depths) == len(strides) > 0:
            raise ValueError(
                f"each stage needs a width, a depth and a stride, got widths={tuple(widths)}, depths={tuple(depths)}, "
                f"strides={tuple(strides)}"
            )
        kernel = scaled_kernel(kernel_size, kernel_scale)
        self.stem = ConvNormActivation(in_leads, stem_width, kernel, activation=activation, slope=0.1)
        self.blocks = nn.ModuleList()
        seen, channels, stages = self.stem.after(Geometry()), stem_width, []
        for number, (width, depth, stride) in enumerate(zip(widths, depths, strides, strict=True)):
            part = (width // 2 if number else width) if partial else None
            stage = _Stage(channels, width, depth, kernel_size=kernel, stride=stride, partial=part, activation=activation)
            self.blocks.append(stage)
            seen, channels = stage.after(seen), width
            stages.append(seen.stage(width))
        self.stages = tuple(stages)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"stem_width": 4, "widths": (6, 8), "depths": (1, 1)}
        return {
            "arguments": tiny,
            "leads": 3,
            "samples": 80,
            "refused": [{"depths": (1,)}, {"strides": (2,)}, {"kernel_size": 4}],
        }

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        return self.stem.conv.known_channels

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps after each stage, ``(batch, widths[i], ceil(samples / stages[i].stride))``."""
        self.check_input(x)
        x = self.stem(x)
        features = []
        for stage in self.blocks:
            x = stage(x)
            features.append(x)
        return features


class Darknet19(Backbone):
    """Plain convolutions, alternately long and pointwise, with a pooling of two steps between the stages.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        widths: Channels of each stage.
        depths: Convolutions in each stage, odd; every other one is pointwise and has half of the channels.
        pools: Steps that the pooling after each stage but the last makes one; ``None`` means 2 throughout.
        kernel_size: Odd kernel length of the convolutions that are not pointwise.
        kernel_scale: Multiplies the kernel length.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, widths[-1], samples // stride)``, where the default ``stride`` is ``2 ** (len(widths) - 1)``

    Raises:
        ValueError: ``widths``, ``depths`` and ``pools`` do not fit, a depth is even, or the kernel is.
    """

    papers: ClassVar[tuple[str, ...]] = _PAPERS[:1]

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        widths: Sequence[int] = (32, 64, 128, 256, 512, 1024),
        depths: Sequence[int] = (1, 1, 3, 3, 5, 5),
        pools: Sequence[int] | None = None,
        kernel_size: int = 3,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        pools = [2] * (len(widths) - 1) if pools is None else pools
        if not len(widths) == len(depths) == len(pools) + 1 > 0 or not all(depth % 2 for depth in depths):
            raise ValueError(
                f"each stage needs a width and an odd depth, and each but the last a pooling, got widths={tuple(widths)}, "
                f"depths={tuple(depths)}, pools={tuple(pools)}"
            )
        self.pools = (1, *pools)
        kernel = scaled_kernel(kernel_size, kernel_scale)
        self.blocks = nn.ModuleList()
        geometry, self._geometry, channels = Geometry(), [], in_leads
        for width, depth, pool in zip(widths, depths, self.pools, strict=True):
            geometry = geometry.then(pool, stride=pool, padding=0)
            stage = nn.Sequential()
            for number in range(depth):
                narrow = number % 2 == 1
                out = width // 2 if narrow else width
                layer = ConvNormActivation(channels, out, 1 if narrow else kernel, activation="leaky_relu", slope=0.1)
                stage.append(layer)
                geometry, channels = layer.after(geometry), out
            self.blocks.append(stage)
            self._geometry.append(geometry)
        self.stages = tuple(g.stage(width) for g, width in zip(self._geometry, widths, strict=True))
        self.min_samples = geometry.min_samples

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"widths": (4, 6, 8), "depths": (1, 3, 1)}
        return {"arguments": tiny, "leads": 3, "samples": 80, "refused": [{"depths": (1, 2, 1)}, {"pools": (2,)}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the first convolution takes; ``None`` before the first batch of a lazy one."""
        conv = self.get_submodule("blocks.0.0.conv")
        assert isinstance(conv, HeConv1d)
        return conv.known_channels

    def steps(self, samples: int, stage: int = -1) -> int:
        """Steps of a stage's map: a pooling leaves out what does not fill it."""
        return self._geometry[stage].steps(samples)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps after each stage, before the next pooling."""
        self.check_input(x)
        features = []
        for stage, pool in zip(self.blocks, self.pools, strict=True):
            x = stage(max_pool(x, pool) if pool > 1 else x)
            features.append(x)
        return features


darknet19 = Variant(Darknet19)
darknet53 = Variant(Darknet)
cspdarknet53 = Variant(Darknet, {"partial": True, "activation": "mish"})
