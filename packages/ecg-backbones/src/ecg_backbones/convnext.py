"""ConvNeXt over time: a convolutional network laid out like a transformer.

Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s", CVPR 2022, arXiv:2201.03545.

Differs from the paper: one axis instead of two; patches that reach over the ends are filled with zeros, so that every length
gives ``ceil(samples / stride)`` steps, and a patch begins one sample early. Convolutions start with He's values, those of the
perceptrons are the paper's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone
from ecg_core.layers.transformer import DropPath

__all__ = ["ConvNeXt", "ConvNeXtBlock", "convnext1d_small", "convnext1d_tiny"]


class _StepNorm(nn.LayerNorm):
    """A normalisation over the channels of each step of ``(batch, channels, steps)``."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.transpose(1, 2)).transpose(1, 2)


class ConvNeXtBlock(nn.Module):
    """Each channel over time; then, at each step, a normalisation and a perceptron; scaled, beside the identity.

    Args:
        channels: Channels of input and output.
        kernel_size: Odd kernel length, in steps.
        layer_scale: What the branch is multiplied by at the start, for each channel.
        drop_path: Probability that a window skips the branch in training.

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    def __init__(self, channels: int, *, kernel_size: int, layer_scale: float = 1e-6, drop_path: float = 0.0) -> None:
        super().__init__()
        self.conv = same_conv1d(channels, channels, kernel_size, groups=channels, bias=True)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))
        self.scale = nn.Parameter(torch.full((channels,), layer_scale))
        self.drop_path = DropPath(drop_path)
        for layer in (self.mlp[0], self.mlp[2]):
            nn.init.trunc_normal_(layer.weight, std=0.02)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        y = self.scale * self.mlp(self.norm(self.conv(x).transpose(1, 2)))  # (batch, steps, channels)
        return x + self.drop_path(y.transpose(1, 2))


class ConvNeXt(Backbone):
    """Patches of the signal, then stages of blocks, each after the first on patches of the one before.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        widths: Channels of each stage.
        depths: Blocks in each stage.
        patch_size: Samples of the first patches, which is the first stride.
        kernel_size: Odd kernel length of the blocks, in steps.
        layer_scale: What the branch of a block is multiplied by at the start.
        drop_path: Probability that a window skips the last block in training; it grows linearly from the first.
        kernel_scale: Multiplies the kernels of the blocks; patches stay, because they are the strides.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, widths[-1], ceil(samples / stride))`` with ``stride = patch_size * 2 ** (len(widths) - 1)``

    Raises:
        ValueError: ``widths`` and ``depths`` differ in length or are empty, or a kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2201.03545",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        widths: Sequence[int] = (96, 192, 384, 768),
        depths: Sequence[int] = (3, 3, 9, 3),
        patch_size: int = 4,
        kernel_size: int = 7,
        layer_scale: float = 1e-6,
        drop_path: float = 0.1,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if len(widths) != len(depths) or not widths:
            raise ValueError(f"each stage needs a width and a depth, got widths={tuple(widths)}, depths={tuple(depths)}")
        length = scaled_kernel(kernel_size, kernel_scale)
        seen, channels, done, stages = Geometry(), in_leads, 0, []
        self.patches, self.blocks = nn.ModuleList(), nn.ModuleList()
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            size = 2 if number else patch_size
            patches = same_conv1d(channels, width, size, stride=size, bias=True, even=True)
            # "adding normalization layers wherever spatial resolution is changed": behind the stem, before later patches
            norm = _StepNorm(channels if number and channels is not None else width, eps=1e-6)
            self.patches.append(nn.Sequential(norm, patches) if number else nn.Sequential(patches, norm))
            seen, stage = seen.then(size, stride=size), nn.Sequential()
            for _ in range(depth):
                rate = drop_path * done / max(sum(depths) - 1, 1)
                block = ConvNeXtBlock(width, kernel_size=length, layer_scale=layer_scale, drop_path=rate)
                stage.append(block)
                seen, done = block.conv.after(seen), done + 1
            self.blocks.append(stage)
            stages.append(seen.stage(width))
            channels = width
        self.norm = nn.LayerNorm(widths[-1], eps=1e-6)
        self.stages = tuple(stages)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"widths": (4, 6), "depths": (1, 2), "kernel_size": 3, "layer_scale": 1.0}
        return {"arguments": tiny, "leads": 3, "samples": 80, "refused": [{"depths": (1,)}, {"kernel_size": 4}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads of the first patches; ``None`` before the first batch of a lazy backbone."""
        return self.patches[0][0].known_channels  # type: ignore[index]

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The map behind each stage, ``(batch, widths[i], ceil(samples / stages[i].stride))``."""
        self.check_input(x)
        features = []
        for patches, blocks in zip(self.patches, self.blocks, strict=True):
            x = blocks(patches(x))
            features.append(x)
        return features

    def pool(self, features: Tensor) -> Tensor:
        """The mean over time, then the last normalisation, as published."""
        return self.norm(features.mean(dim=-1))


convnext1d_tiny = Variant(ConvNeXt)
convnext1d_small = Variant(ConvNeXt, {"depths": (3, 3, 27, 3), "drop_path": 0.4})
