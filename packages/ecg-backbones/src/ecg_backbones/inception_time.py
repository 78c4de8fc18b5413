"""InceptionTime: at each step, three kernel lengths and a maximum side by side, with a shortcut every three blocks.

Fawaz et al., "InceptionTime: finding AlexNet for time series classification", Data Mining and Knowledge Discovery 2020,
arXiv:1909.04939 (figures 1 and 2); one network, not the ensemble of five.

Differs from the paper: kernels of 39, 19 and 9 samples instead of 40, 20 and 10, so that each has a middle. The bottleneck stands
in front of a single lead too, so that a network that learns its leads from the first batch is the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.pool import Pool1d
from ecg_core.contracts.backbone import Backbone

__all__ = ["InceptionTime"]


class _Inception(nn.Module):
    """A pointwise bottleneck in front of the kernels, and a maximum of three steps with a pointwise convolution behind it."""

    def __init__(self, in_channels: int | None, width: int, bottleneck: int, kernels: Sequence[int]) -> None:
        super().__init__()
        self.bottleneck = same_conv1d(in_channels, bottleneck, 1)
        self.convs = nn.ModuleList(same_conv1d(bottleneck, width, kernel) for kernel in kernels)
        self.pool = nn.Sequential(Pool1d(3, stride=1, padding=1), same_conv1d(in_channels, width, 1))
        self.norm = nn.BatchNorm1d((len(kernels) + 1) * width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bottleneck(x)
        together: Tensor = self.norm(torch.cat([*(conv(y) for conv in self.convs), self.pool(x)], dim=1))
        return together.relu()


class _Unit(nn.Module):
    """Inception blocks beside a pointwise convolution."""

    def __init__(self, in_channels: int | None, width: int, bottleneck: int, kernels: Sequence[int], depth: int) -> None:
        super().__init__()
        out = (len(kernels) + 1) * width
        inputs = [in_channels, *[out] * (depth - 1)]
        self.blocks = nn.Sequential(*(_Inception(channels, width, bottleneck, kernels) for channels in inputs))
        self.shortcut = nn.Sequential(same_conv1d(in_channels, out, 1), nn.BatchNorm1d(out))

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.blocks(x) + self.shortcut(x)
        return added.relu()


class InceptionTime(Backbone):
    """Units of inception blocks, all at the steps of the input.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        width: Channels of each kernel length; a block has one more share of them, from its maximum.
        bottleneck: Channels of the pointwise convolution in front of the kernels.
        kernel_size: Odd kernel lengths, in samples.
        units: Shortcuts.
        depth: Inception blocks beside each shortcut.
        kernel_scale: ``fs`` over the sampling frequency that the kernels were made for; pointwise ones stay pointwise.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, (len(kernel_size) + 1) * width, samples)``

    Raises:
        ValueError: There is no unit, no block or no kernel, or a kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1909.04939",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        width: int = 32,
        bottleneck: int = 32,
        kernel_size: Sequence[int] = (39, 19, 9),
        units: int = 2,
        depth: int = 3,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if units < 1 or depth < 1 or not kernel_size:
            raise ValueError(
                f"an InceptionTime needs units, blocks and kernels, got units={units}, depth={depth}, "
                f"kernel_size={tuple(kernel_size)}"
            )
        kernels = [scaled_kernel(kernel, kernel_scale) for kernel in kernel_size]
        out = (len(kernels) + 1) * width
        inputs = [in_leads, *[out] * (units - 1)]
        self.blocks = nn.ModuleList(_Unit(channels, width, bottleneck, kernels, depth) for channels in inputs)
        seen, stages = Geometry(), []
        for _ in range(units):
            for _ in range(depth):
                seen = seen.then(max(3, *kernels))
            stages.append(seen.stage(out))
        self.stages = tuple(stages)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"width": 2, "bottleneck": 2, "kernel_size": (5, 3), "units": 2, "depth": 1}
        refused = [{"units": 0}, {"kernel_size": (4,)}, {"kernel_size": ()}]
        return {"arguments": tiny, "leads": 3, "samples": 80, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the first shortcut takes; ``None`` before the first batch of a lazy one."""
        known: int | None = self.get_submodule("blocks.0.shortcut.0").known_channels  # type: ignore[assignment]
        return known

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps behind each shortcut, ``(batch, channels, samples)``."""
        self.check_input(x)
        features = []
        for unit in self.blocks:
            x = unit(x)
            features.append(x)
        return features
