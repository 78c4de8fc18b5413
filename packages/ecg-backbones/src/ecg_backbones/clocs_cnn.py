"""The small network of CLOCS: three blocks of convolution, normalisation and pooling, made for five seconds of one lead.

Kiyasseh, Zhu, Clifton, "CLOCS: contrastive learning of cardiac signals across space, time, and patients", ICML 2021,
arXiv:2005.13249. The whole published network has 86,392 parameters; 82,176 of them are a linear layer from its 320 flattened
features to 256 numbers, which belongs to the head, and 4,216 are the backbone's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ecg_backbones.layers.convolution import HeConv1d, LazyHeConv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.max_pool import max_pool
from ecg_core.contracts.backbone import Backbone

__all__ = ["CLOCSCNN"]


class _Block(nn.Module):
    """A convolution without padding, normalised and activated; the maximum of every two steps; dropout."""

    def __init__(self, in_channels: int | None, out_channels: int, *, kernel_size: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.conv: HeConv1d = (
            LazyHeConv1d(out_channels, kernel_size, stride=stride)
            if in_channels is None
            else HeConv1d(in_channels, out_channels, kernel_size, stride=stride)
        )
        self.norm = nn.BatchNorm1d(out_channels)
        self.activation = nn.ReLU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(max_pool(self.activation(self.norm(self.conv(x))), 2))

    def after(self, before: Geometry) -> Geometry:
        convolved = before.then(self.conv.kernel_size[0], stride=self.conv.stride[0], padding=0)
        return convolved.then(2, stride=2, padding=0)


class CLOCSCNN(Backbone):
    """Three blocks that take 2,500 samples to ten steps of 32 channels.

    Nothing is padded: what does not fill a kernel or a pair is left out.

    Args:
        in_leads: Leads of the input ECG, 1 as published; ``None`` infers it from the first batch.
        widths: Channels of each block.
        kernel_size: Odd kernel length, in steps.
        stride: Steps per step of the convolutions; the pooling doubles it.
        dropout: Probability of zeroing an activation in training.
        kernel_scale: ``fs`` over 500 Hz; scales the kernels.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, widths[-1], steps)``, 10 steps for 2,500 samples

    Raises:
        ValueError: There is no block, or the kernel is not a positive odd number of steps.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2005.13249",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        widths: Sequence[int] = (4, 16, 32),
        kernel_size: int = 7,
        stride: int = 3,
        dropout: float = 0.1,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not widths or kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"CLOCSCNN needs a block and an odd kernel, got widths={tuple(widths)}, kernel_size={kernel_size}")
        length = scaled_kernel(kernel_size, kernel_scale)
        self.blocks = nn.ModuleList()
        channels, seen, geometries = in_leads, Geometry(), []
        for width in widths:
            block = _Block(channels, width, kernel_size=length, stride=stride, dropout=dropout)
            self.blocks.append(block)
            channels, seen = width, block.after(seen)
            geometries.append(seen)
        self.geometries = tuple(geometries)
        self.min_samples = seen.min_samples
        self.stages = tuple(geometry.stage(width) for geometry, width in zip(geometries, widths, strict=True))

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"widths": (4, 6), "kernel_size": 5, "stride": 2}
        return {"arguments": tiny, "leads": 3, "samples": 120, "refused": [{"widths": ()}, {"kernel_size": 4}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads of the first convolution; ``None`` before the first batch of a lazy one."""
        return self.blocks[0].conv.known_channels  # type: ignore[union-attr, return-value]

    def steps(self, samples: int, stage: int = -1) -> int:
        """Steps of a stage's map, counted layer by layer."""
        return self.geometries[stage].steps(samples)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The map behind each block."""
        self.check_input(x)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features
