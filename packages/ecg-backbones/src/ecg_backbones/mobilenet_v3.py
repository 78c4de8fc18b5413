"""MobileNetV3 over time: inverted residuals whose channels are weighed, with an activation for each.

Howard et al., "Searching for MobileNetV3", ICCV 2019, arXiv:1905.02244 (tables 1 and 2). The classifier's hidden layer of the
paper stands behind the mean over the steps, so it is not part of the features.

Differs from the paper: one axis instead of two, and depthwise kernels that are five times as long; pointwise ones stay
pointwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import scaled_kernel
from ecg_backbones.layers.down_sample import DownSample
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.inverted_residual import InvertedResidual
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone, Stage

__all__ = ["MobileNetV3", "mobilenet_v3_large", "mobilenet_v3_small"]

Row = tuple[int, int, int, int, Literal["relu", "hardswish"], int]


class MobileNetV3(Backbone):
    """Inverted residuals, one for each row of a table, between a strided convolution and a pointwise one.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        rows: Blocks as ``(kernel_size, hidden, squeeze, width, activation, stride)``: odd kernel length in steps, channels of
            the depthwise convolution, hidden channels of squeeze-and-excitation or 0 for none, channels of the output,
            ``"relu"`` or ``"hardswish"``, and input steps per output step. The default is the paper's Small.
        stem_width: Channels of the first convolution, which halves the steps.
        stem_kernel_size: Odd kernel length of the first convolution, in samples.
        head_width: Channels of the last, pointwise convolution.
        head_stride: Steps that are averaged into one in front of it.
        ends_activation: Of the first and the last convolution.
        squeeze_bias: Whether the linear layers of squeeze-and-excitation add biases.
        drop_path: Probability that a window skips the last block in training; it grows linearly from the first.
        kernel_scale: ``fs`` over the sampling frequency that the kernels were made for; pointwise ones stay pointwise.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, head_width, ceil(samples / stride))``, where the default ``stride`` is 32

    Raises:
        ValueError: There is no row, or a kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1905.02244",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        rows: Sequence[Row] = (
            (15, 16, 8, 16, "relu", 2),
            (15, 72, 0, 24, "relu", 2),
            (15, 88, 0, 24, "relu", 1),
            (25, 96, 24, 40, "hardswish", 2),
            (25, 240, 64, 40, "hardswish", 1),
            (25, 240, 64, 40, "hardswish", 1),
            (25, 120, 32, 48, "hardswish", 1),
            (25, 144, 40, 48, "hardswish", 1),
            (25, 288, 72, 96, "hardswish", 2),
            (25, 576, 144, 96, "hardswish", 1),
            (25, 576, 144, 96, "hardswish", 1),
        ),
        stem_width: int = 16,
        stem_kernel_size: int = 15,
        head_width: int = 576,
        head_stride: int = 1,
        ends_activation: Literal["relu", "hardswish"] = "hardswish",
        squeeze_bias: bool = True,
        drop_path: float = 0.0,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not rows:
            raise ValueError("a MobileNetV3 needs at least one row, got rows=()")
        stem_kernel = scaled_kernel(stem_kernel_size, kernel_scale)
        self.stem = ConvNormActivation(in_leads, stem_width, stem_kernel, stride=2, activation=ends_activation)
        seen, channels, weighed = self.stem.after(Geometry()), stem_width, False
        stages: list[Stage] = []
        self.blocks = nn.ModuleList()
        for number, (kernel, hidden, squeeze, width, activation, stride) in enumerate(rows):
            block = InvertedResidual(
                channels,
                hidden,
                width,
                kernel_size=scaled_kernel(kernel, kernel_scale),
                stride=stride,
                squeeze=squeeze,
                squeeze_bias=squeeze_bias,
                activation=activation,
                drop_path=drop_path * number / max(1, len(rows) - 1),
            )
            seen, channels, weighed = block.after(seen), width, weighed or squeeze > 0
            if stages and stride == 1:  # on the steps of the block before it: one map for both
                self.blocks[-1].append(block)  # type: ignore[operator]
                stages.pop()
            else:
                self.blocks.append(nn.Sequential(block))
            stages.append(seen.stage(width, sees_all=weighed))
        average = DownSample(head_stride, "avg")
        head = ConvNormActivation(channels, head_width, 1, activation=ends_activation)
        if head_stride > 1:
            self.blocks.append(nn.Sequential(average, head))
            seen = average.after(seen)
        else:
            self.blocks[-1].append(head)  # type: ignore[operator]
            stages.pop()
        self.stages = (*stages, seen.stage(head_width, sees_all=weighed))

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {
            "rows": [(3, 6, 2, 4, "relu", 2), (3, 8, 0, 4, "hardswish", 1)],
            "stem_width": 4,
            "stem_kernel_size": 3,
            "head_width": 8,
        }
        refused = [{"rows": ()}, {"stem_kernel_size": 4}, {"head_stride": 0}, {"rows": [(3, 6, 2, 4, "hard", 2)]}]
        return {"arguments": tiny, "leads": 3, "samples": 80, "refused": refused}

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


mobilenet_v3_large = Variant(
    MobileNetV3,
    {
        "rows": (
            (15, 16, 0, 16, "relu", 1),
            (15, 64, 0, 24, "relu", 2),
            (15, 72, 0, 24, "relu", 1),
            (25, 72, 24, 40, "relu", 2),
            (25, 120, 32, 40, "relu", 1),
            (25, 120, 32, 40, "relu", 1),
            (15, 240, 0, 80, "hardswish", 2),
            (15, 200, 0, 80, "hardswish", 1),
            (15, 184, 0, 80, "hardswish", 1),
            (15, 184, 0, 80, "hardswish", 1),
            (15, 480, 120, 112, "hardswish", 1),
            (15, 672, 168, 112, "hardswish", 1),
            (25, 672, 168, 160, "hardswish", 2),
            (25, 960, 240, 160, "hardswish", 1),
            (25, 960, 240, 160, "hardswish", 1),
        ),
        "head_width": 960,
    },
)
# torch_ecg's, which is wider than the paper's Small: the default of the class.
mobilenet_v3_small = Variant(
    MobileNetV3,
    {
        "rows": (
            (11, 96, 12, 48, "relu", 2),
            (11, 192, 0, 96, "relu", 2),
            (11, 384, 0, 96, "relu", 1),
            (17, 384, 48, 192, "hardswish", 2),
            *[(17, 768, 96, 192, "hardswish", 1)] * 4,
            (17, 768, 96, 384, "hardswish", 2),
            *[(17, 1536, 192, 384, "hardswish", 1)] * 2,
        ),
        "stem_width": 24,
        "stem_kernel_size": 27,
        "head_width": 1536,
        "head_stride": 2,
        "ends_activation": "relu",
        "squeeze_bias": False,
    },
)
