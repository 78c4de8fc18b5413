"""MobileNet over time: depthwise convolutions that see time, pointwise ones that mix channels.

Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017, arXiv:1704.04861
(table 1).

Differs from the paper: one axis instead of two, and longer depthwise kernels; pointwise ones stay pointwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone, Stage

__all__ = ["MobileNetV1", "mobilenet_v1_vanilla"]


class MobileNetV1(Backbone):
    """Depthwise-separable convolutions, each half normalised and activated.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        stem_width: Channels of the first convolution, which halves the steps.
        widths: Channels of each separable convolution.
        strides: Input steps per output step of each of them.
        kernel_size: Odd kernel length of the depthwise convolutions in steps, or one for each.
        stem_kernel_size: Odd kernel length of the first convolution, in samples.
        kernel_scale: ``fs`` over the sampling frequency that the kernels were made for; pointwise ones stay pointwise.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, widths[-1], ceil(samples / stride))``, where the default ``stride`` is 32

    Raises:
        ValueError: ``widths``, ``strides`` and kernels differ in number or are none, or a kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1704.04861",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        stem_width: int = 32,
        widths: Sequence[int] = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024),
        strides: Sequence[int] = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1),
        kernel_size: int | Sequence[int] = 15,
        stem_kernel_size: int = 15,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        kernels = [kernel_size] * len(widths) if isinstance(kernel_size, int) else list(kernel_size)
        if not len(widths) == len(strides) == len(kernels) > 0:
            raise ValueError(
                f"each separable convolution needs a width, a stride and a kernel, got widths={tuple(widths)}, "
                f"strides={tuple(strides)}, kernel_size={kernel_size!r}"
            )
        stem_kernel = scaled_kernel(stem_kernel_size, kernel_scale)
        self.stem = ConvNormActivation(in_leads, stem_width, stem_kernel, stride=2, activation="relu6")
        seen, channels = self.stem.after(Geometry()), stem_width
        stages: list[Stage] = []
        self.blocks = nn.ModuleList()
        for width, stride, kernel in zip(widths, strides, kernels, strict=True):
            depthwise = ConvNormActivation(
                channels,
                channels,
                scaled_kernel(kernel, kernel_scale),
                stride=stride,
                groups=channels,
                activation="relu6",
            )
            pair = [depthwise, ConvNormActivation(channels, width, 1, activation="relu6")]
            seen, channels = depthwise.after(seen), width
            if stages and stride == 1:  # on the steps of the convolution before it: one map for both
                self.blocks[-1].extend(pair)  # type: ignore[operator]
                stages.pop()
            else:
                self.blocks.append(nn.Sequential(*pair))
            stages.append(seen.stage(width))
        self.stages = tuple(stages)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"stem_width": 4, "widths": (6, 8, 8), "strides": (1, 2, 1), "kernel_size": 3, "stem_kernel_size": 3}
        return {
            "arguments": tiny,
            "leads": 3,
            "samples": 80,
            "refused": [{"widths": (6,)}, {"kernel_size": (3, 3)}, {"kernel_size": 4}],
        }

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


mobilenet_v1_vanilla = Variant(
    MobileNetV1,
    {
        "stem_width": 36,
        "widths": (72, 144, 144, 288, 288, 576, 576, 576, 576, 576, 576, 1152, 1152),
        "kernel_size": (15, 15, 15, 15, 15, 15, 13, 13, 13, 13, 13, 17, 17),
        "stem_kernel_size": 27,
    },
)
