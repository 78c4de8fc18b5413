"""MobileNetV2 over time: inverted residuals with linear bottlenecks.

Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018, arXiv:1801.04381 (table 2).

Differs from the paper: one axis instead of two, and longer depthwise kernels; pointwise ones stay pointwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import scaled_kernel
from ecg_backbones.layers.down_sample import DownSample
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.inverted_residual import InvertedResidual
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone, Stage

__all__ = ["MobileNetV2", "mobilenet_v2_vanilla"]


class MobileNetV2(Backbone):
    """Inverted residuals by a table of rows, between a strided convolution and a pointwise one.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        rows: Stages as ``(expansion, width, depth, stride)``: hidden channels for each of a block's input, channels of the
            output, blocks, and steps of the stage's input per step of its output.
        kernel_size: Odd kernel length of the depthwise convolutions, in steps.
        stem_width: Channels of the first convolution, which halves the steps.
        stem_kernel_size: Odd kernel length of the first convolution, in samples.
        head_width: Channels of the last, pointwise convolution.
        head_stride: Steps that are averaged into one in front of it.
        drop_path: Probability that a window skips the last block in training; it grows linearly from the first.
        kernel_scale: ``fs`` over the sampling frequency that the kernels were made for; pointwise ones stay pointwise.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, head_width, ceil(samples / stride))``, where the default ``stride`` is 32

    Raises:
        ValueError: There is no row, or a kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1801.04381",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        rows: Sequence[tuple[int, int, int, int]] = (
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        ),
        kernel_size: int = 15,
        stem_width: int = 32,
        stem_kernel_size: int = 15,
        head_width: int = 1280,
        head_stride: int = 1,
        drop_path: float = 0.0,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not rows:
            raise ValueError("a MobileNetV2 needs at least one row, got rows=()")
        kernel = scaled_kernel(kernel_size, kernel_scale)
        stem_kernel = scaled_kernel(stem_kernel_size, kernel_scale)
        self.stem = ConvNormActivation(in_leads, stem_width, stem_kernel, stride=2, activation="relu6")
        seen, channels = self.stem.after(Geometry()), stem_width
        count = sum(depth for _, _, depth, _ in rows)
        rates = iter([drop_path * i / max(1, count - 1) for i in range(count)])
        stages: list[Stage] = []
        self.blocks = nn.ModuleList()
        for expansion, width, depth, stride in rows:
            stage = nn.Sequential()
            for index in range(depth):
                block = InvertedResidual(
                    channels,
                    expansion * channels,
                    width,
                    kernel_size=kernel,
                    stride=1 if index else stride,
                    drop_path=next(rates),
                )
                stage.append(block)
                seen, channels = block.after(seen), width
            if stages and stride == 1:  # on the steps of the stage before it: one map for both
                self.blocks[-1].extend(stage)  # type: ignore[operator]
                stages.pop()
            else:
                self.blocks.append(stage)
            stages.append(seen.stage(width))
        average, head = DownSample(head_stride, "avg"), ConvNormActivation(channels, head_width, 1, activation="relu6")
        if head_stride > 1:
            self.blocks.append(nn.Sequential(average, head))
            seen = average.after(seen)
        else:
            self.blocks[-1].append(head)  # type: ignore[operator]
            stages.pop()
        self.stages = (*stages, seen.stage(head_width))

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        sizes = {"stem_width": 4, "kernel_size": 3, "stem_kernel_size": 3, "head_width": 8}
        refused = [{"rows": ()}, {"kernel_size": 4}, {"head_stride": 0}]
        rows = [(1, 4, 1, 1), (2, 6, 1, 2)]
        return {"arguments": {"rows": rows, **sizes}, "leads": 3, "samples": 80, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        return self.stem.conv.known_channels

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The last map of every stride, ``(batch, stages[i].channels, ceil(samples / stages[i].stride))``."""
        self.check_input(x)
        x = self.stem(x)
        features = []
        for stage in self.blocks:
            x = stage(x)
            features.append(x)
        return features


mobilenet_v2_vanilla = Variant(
    MobileNetV2,
    {
        "rows": (
            (1, 24, 1, 1),
            (6, 36, 2, 2),
            (6, 48, 3, 2),
            (6, 72, 4, 2),
            (6, 96, 3, 1),
            (6, 240, 3, 2),
            (6, 480, 1, 1),
        ),
        "stem_width": 48,
        "stem_kernel_size": 27,
        "head_width": 1536,
        "head_stride": 2,
    },
)
