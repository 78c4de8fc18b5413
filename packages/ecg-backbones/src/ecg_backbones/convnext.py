"""ConvNeXt over time: a long depthwise convolution and a perceptron over channels, beside the identity.

Liu et al., "A ConvNet for the 2020s", CVPR 2022, arXiv:2201.03545 (figure 4, table 9).

Differs from the paper: one axis instead of two, and a longer depthwise kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ecg_backbones.layers.convolution import HeConv1d, same_conv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_core.contracts.backbone import Backbone
from ecg_core.layers.transformer import DropPath

__all__ = ["ConvNeXt1d"]


class _StepNorm(nn.LayerNorm):
    """Normalises the channels of each step of ``(batch, channels, steps)``."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.transpose(1, 2)).transpose(1, 2)


class _Block(nn.Module):
    """Depthwise convolution, normalisation, perceptron, scale."""

    def __init__(self, channels: int, kernel_size: int, *, scale: float, drop_path: float) -> None:
        super().__init__()
        self.depthwise = same_conv1d(channels, channels, kernel_size, groups=channels, bias=True)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(channels, eps=1e-6), nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )
        self.scale = nn.Parameter(torch.full((channels,), scale))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        y = self.scale * self.perceptron(self.depthwise(x).transpose(1, 2))
        return x + self.drop_path(y.transpose(1, 2))


class ConvNeXt1d(Backbone):
    """Stages of one shape, between convolutions without overlap; the default is the paper's Tiny.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        widths: Channels of each stage.
        depths: Blocks of each stage.
        kernel_size: Odd kernel length of the depthwise convolutions, in steps.
        patch_size: Samples that the first convolution makes one step.
        layer_scale: What the branch of each block is multiplied with at first.
        drop_path: Probability that a window skips the last block in training; it grows linearly from the first.
        kernel_scale: ``fs`` over the sampling frequency that the depthwise kernels were made for.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, widths[-1], steps)``: ``samples / patch_size``, rounded up, and halved between the stages,
          rounded up

    Raises:
        ValueError: ``widths`` and ``depths`` differ in number or are none, or the kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2201.03545",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        widths: Sequence[int] = (96, 192, 384, 768),
        depths: Sequence[int] = (3, 3, 9, 3),
        kernel_size: int = 15,
        patch_size: int = 4,
        layer_scale: float = 1e-6,
        drop_path: float = 0.1,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not len(widths) == len(depths) > 0:
            raise ValueError(f"each stage needs a width and a depth, got widths={tuple(widths)}, depths={tuple(depths)}")
        kernel, count = scaled_kernel(kernel_size, kernel_scale), sum(depths)
        rates = iter([drop_path * i / max(1, count - 1) for i in range(count)])
        seen, channels, stages = Geometry(), in_leads, []
        self.blocks = nn.ModuleList()
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            size = 2 if number else patch_size
            down = same_conv1d(channels, width, size, stride=size, bias=True, even=True)
            seen = down.after(seen)
            stage = nn.Sequential()
            if number:
                stage.append(_StepNorm(widths[number - 1], eps=1e-6))
            stage.append(down)
            if not number:
                stage.append(_StepNorm(width, eps=1e-6))
            for _ in range(depth):
                stage.append(_Block(width, kernel, scale=layer_scale, drop_path=next(rates)))
                seen = seen.then(kernel)
            self.blocks.append(stage)
            stages.append(seen.stage(width))
            channels = width
        self.norm = _StepNorm(widths[-1], eps=1e-6)
        self.stages = tuple(stages)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"widths": (4, 6), "depths": (1, 1), "kernel_size": 3, "layer_scale": 1.0}
        return {"arguments": tiny, "leads": 3, "samples": 80, "refused": [{"depths": (1,)}, {"kernel_size": 4}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the first convolution takes; ``None`` before the first batch of a lazy one."""
        conv = self.get_submodule("blocks.0.0")
        assert isinstance(conv, HeConv1d)
        return conv.known_channels

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps after each stage; the last is normalised."""
        self.check_input(x)
        features = []
        for stage in self.blocks:
            x = stage(x)
            features.append(x)
        return [*features[:-1], self.norm(x)]
