"""InceptionTime: modules of long, middle and short convolutions side by side, with a shortcut around every third.

Ismail Fawaz, Lucas, Forestier, Pelletier, Schmidt, Weber, Webb, Idoumghar, Muller, Petitjean, "InceptionTime: finding AlexNet
for time series classification", Data Mining and Knowledge Discovery 2020, arXiv:1909.04939.

This is one network of the paper's ensemble of five. Differs from the paper: kernels of 39, 19 and 9 samples instead of 40, 20
and 10, as in the PTB-XL benchmark (Strodthoff et al. 2021, arXiv:2004.13701), because an even kernel has no middle and six of
them would look three samples ahead; ``kernel_sizes=(40, 20, 10)`` is the published network. The bottleneck of the first module
is there for a single lead too, so that the layers do not depend on the leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.max_pool import max_pool
from ecg_core.contracts.backbone import Backbone
from ecg_core.layers.transformer import DropPath

__all__ = ["InceptionModule", "InceptionTime"]


class InceptionModule(nn.Module):
    """Convolutions of several lengths on a bottleneck, beside a maximum of three steps; stacked, normalised, activated.

    Args:
        in_channels: Channels of the input; ``None`` infers them from the first input.
        width: Channels of each branch.
        bottleneck: Channels that the convolutions work on.
        kernel_sizes: Kernel length of each convolution, in steps.

    Shape:
        ``(batch, in_channels, steps)`` to ``(batch, (len(kernel_sizes) + 1) * width, steps)``
    """

    def __init__(self, in_channels: int | None, width: int, *, bottleneck: int, kernel_sizes: Sequence[int]) -> None:
        super().__init__()
        self.bottleneck = same_conv1d(in_channels, bottleneck, 1)
        self.convs = nn.ModuleList(same_conv1d(bottleneck, width, length, even=True) for length in kernel_sizes)
        self.pooled = same_conv1d(in_channels, width, 1)
        self.kernel_sizes = tuple(kernel_sizes)
        self.out_channels = width * (len(self.kernel_sizes) + 1)
        self.norm = nn.BatchNorm1d(self.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """The stacked branches."""
        narrow = self.bottleneck(x)
        branches = [conv(narrow) for conv in self.convs]
        branches.append(self.pooled(max_pool(x, 3, stride=1, padding=1)))
        return F.relu(self.norm(torch.cat(branches, dim=1)))

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the module."""
        first, *others = sorted((*self.kernel_sizes, 3), reverse=True)
        return before.then(first).joined(before.then(length) for length in others)


class _ResidualBlock(nn.Module):
    """Modules one after another, and around them a pointwise convolution."""

    def __init__(self, modules: Sequence[InceptionModule], in_channels: int | None, *, drop_path: float) -> None:
        super().__init__()
        channels = modules[-1].out_channels
        self.inception = nn.Sequential(*modules)
        self.shortcut = nn.Sequential(same_conv1d(in_channels, channels, 1), nn.BatchNorm1d(channels))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.drop_path(self.inception(x)) + self.shortcut(x))


class InceptionTime(Backbone):
    """Blocks of three inception modules with a shortcut around each block; the steps are the samples.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        width: Channels of each branch; a module has one branch for each kernel and one for the maximum.
        bottleneck: Channels that the long convolutions work on.
        blocks: Residual blocks.
        depth: Modules in a block.
        kernel_sizes: Kernel lengths, in samples. An even one looks half a sample ahead.
        drop_path: Probability that a window skips the modules of the last block in training; it grows linearly from the first.
        kernel_scale: ``fs`` over the frequency the kernels were made for, 100 Hz in the PTB-XL benchmark; scales the kernels.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, (len(kernel_sizes) + 1) * width, samples)``

    Raises:
        ValueError: There is no kernel, no block, or no module in a block.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1909.04939", "arXiv:2004.13701")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        width: int = 32,
        bottleneck: int = 32,
        blocks: int = 2,
        depth: int = 3,
        kernel_sizes: Sequence[int] = (39, 19, 9),
        drop_path: float = 0.0,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not kernel_sizes or blocks < 1 or depth < 1:
            raise ValueError(
                f"an InceptionTime needs a kernel, a block and a module in it, got kernel_sizes={tuple(kernel_sizes)}, "
                f"blocks={blocks}, depth={depth}"
            )
        lengths = [scaled_kernel(length, kernel_scale) for length in kernel_sizes]
        channels, seen, stages = in_leads, Geometry(), []
        self.blocks = nn.ModuleList()
        for number in range(blocks):
            entry, modules = channels, []
            for _ in range(depth):
                module = InceptionModule(channels, width, bottleneck=bottleneck, kernel_sizes=lengths)
                modules.append(module)
                channels, seen = module.out_channels, module.after(seen)
            self.blocks.append(_ResidualBlock(modules, entry, drop_path=drop_path * number / max(blocks - 1, 1)))
            stages.append(seen.stage(modules[-1].out_channels))
        self.stages = tuple(stages)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"width": 3, "bottleneck": 4, "depth": 2, "kernel_sizes": (7, 4)}
        refused = [{"kernel_sizes": ()}, {"blocks": 0}, {"depth": 0}, {"kernel_sizes": (0,)}]
        return {"arguments": tiny, "leads": 3, "samples": 80, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads of the first convolution; ``None`` before the first batch of a lazy one."""
        return self.blocks[0].inception[0].bottleneck.known_channels  # type: ignore[union-attr, index]

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The map behind each block, ``(batch, (len(kernel_sizes) + 1) * width, samples)``."""
        self.check_input(x)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features
