"""EfficientNet and EfficientNetV2 over time.

Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019, arXiv:1905.11946 (table 1;
B1 to B7 by compound scaling); "EfficientNetV2: smaller models and faster training", ICML 2021, arXiv:2104.00298 (table 4).

Differs from the papers: one axis instead of two, so that "resolution" is the window's length times its sampling frequency.
Pointwise convolutions stay pointwise; only kernels that see time are scaled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.squeeze_excite import SqueezeExcite
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.layers.transformer import DropPath

__all__ = [
    "EfficientNet", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4",
    "efficientnet_b5", "efficientnet_b6", "efficientnet_b7", "efficientnetv2_l", "efficientnetv2_m", "efficientnetv2_s",
]  # fmt: skip

Kind = Literal["mb", "fused"]


class _Row(NamedTuple):
    """One row of a stage table."""

    kind: Kind
    expansion: int
    kernel_size: int
    stride: int
    width: int
    depth: int


class _Block(nn.Module):
    """An inverted bottleneck: widen, convolve, weigh the channels, narrow; beside the identity where the shape is kept.

    Args:
        in_channels: Channels of the input.
        row: What its stage has in common.
        stride: Input steps per output step.
        drop_path: Probability that a window skips the block in training.
    """

    def __init__(self, in_channels: int, row: _Row, *, stride: int, drop_path: float) -> None:
        super().__init__()
        hidden = in_channels * row.expansion
        layers: list[nn.Module] = []
        if row.kind == "fused":
            layers.append(_conv(in_channels, hidden if row.expansion > 1 else row.width, row.kernel_size, stride=stride))
        else:
            if row.expansion > 1:
                layers.append(_conv(in_channels, hidden, 1))
            layers.append(_conv(hidden, hidden, row.kernel_size, stride=stride, groups=hidden))
            # "a squeeze ratio of 0.25" of the block's input channels
            layers.append(SqueezeExcite(hidden, hidden=max(1, in_channels // 4), activation="silu"))
        if row.kind == "mb" or row.expansion > 1:
            layers.append(_conv(hidden, row.width, 1, activation="none"))
        self.layers = nn.Sequential(*layers)
        self.kernel_size, self.stride = row.kernel_size, stride
        self.adds = stride == 1 and in_channels == row.width
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + self.drop_path(y) if self.adds else y

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the block."""
        return before.then(self.kernel_size, stride=self.stride)


class EfficientNet(Backbone):
    """Inverted bottlenecks, scaled in width and depth together.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        rows: Stages as ``(kind, expansion, kernel_size, stride, width, depth)``, ``kind`` being ``"mb"`` (depthwise, with
            squeeze-and-excitation) or ``"fused"`` (one full convolution).
        stem_width: Channels of the first convolution.
        head_width: Channels of the last, pointwise one.
        width: Multiplies the channels, which are rounded to multiples of 8 and never by more than a tenth downwards.
        depth: Multiplies the blocks of each stage, rounded up.
        drop_path: Probability that a window skips the last block in training; it grows linearly from the first.
        kernel_scale: Multiplies every kernel length but that of pointwise convolutions.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, head channels, ceil(samples / 32))`` with the published strides

    Raises:
        ValueError: There is no stage, or a stage is of no kind.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1905.11946", "arXiv:2104.00298")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        rows: Sequence[tuple[Kind, int, int, int, int, int]] = (
            ("mb", 1, 3, 1, 16, 1),
            ("mb", 6, 3, 2, 24, 2),
            ("mb", 6, 5, 2, 40, 2),
            ("mb", 6, 3, 2, 80, 3),
            ("mb", 6, 5, 1, 112, 3),
            ("mb", 6, 5, 2, 192, 4),
            ("mb", 6, 3, 1, 320, 1),
        ),
        stem_width: int = 32,
        head_width: int = 1280,
        width: float = 1.0,
        depth: float = 1.0,
        drop_path: float = 0.2,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not rows:
            raise ValueError("an EfficientNet needs at least one stage, got rows=()")
        table = [_scaled(_Row(*row), width, depth, kernel_scale) for row in rows]
        channels = _rounded(stem_width * width)
        self.stem = _conv(in_leads, channels, scaled_kernel(3, kernel_scale), stride=2)
        seen, count, done = self.stem.after(Geometry()), sum(row.depth for row in table), 0
        stages: list[Stage] = []
        self.blocks = nn.ModuleList()
        for number, row in enumerate(table):
            stage = nn.Sequential()
            for index in range(row.depth):
                block = _Block(channels, row, stride=1 if index else row.stride, drop_path=drop_path * done / count)
                stage.append(block)
                seen, channels, done = block.after(seen), row.width, done + 1
            if number and row.stride == 1:  # on the steps of the stage before it: one map for both
                self.blocks[-1].extend(stage)  # type: ignore[operator]
                stages.pop()
            else:
                self.blocks.append(stage)
            stages.append(seen.stage(channels, sees_all=any(r.kind == "mb" for r in table[: number + 1])))
        out = _rounded(head_width * max(1.0, width))
        self.blocks[-1].append(_conv(channels, out, 1))  # type: ignore[operator]
        stages[-1] = seen.stage(out, sees_all=any(r.kind == "mb" for r in table))
        self.stages = tuple(stages)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        rows = [("fused", 2, 3, 1, 8, 1), ("mb", 2, 3, 2, 8, 1), ("mb", 2, 3, 1, 8, 1)]
        tiny = {"rows": rows, "stem_width": 8, "head_width": 16, "width": 1.0, "depth": 1.0}
        return {"arguments": tiny, "leads": 3, "samples": 80, "refused": [{"rows": ()}, {"rows": [("mbconv", 1, 3, 1, 8, 1)]}]}

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


def _conv(in_channels: int | None, out_channels: int, kernel_size: int, **words: Any) -> ConvNormActivation:
    """A convolution with the papers' normalisation: "batch norm momentum 0.99" and epsilon 1e-3."""
    return ConvNormActivation(in_channels, out_channels, kernel_size, eps=1e-3, momentum=0.01, **{"activation": "silu", **words})


def _rounded(channels: float) -> int:
    """The nearest multiple of 8 that is at least 90 % of the number."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _scaled(row: _Row, width: float, depth: float, kernel_scale: float) -> _Row:
    if row.kind not in ("mb", "fused"):
        raise ValueError(f"a stage is of kind mb or fused, got {row.kind!r}")
    return row._replace(
        kernel_size=scaled_kernel(row.kernel_size, kernel_scale),
        width=_rounded(row.width * width),
        depth=math.ceil(row.depth * depth),
    )


efficientnet_b0 = Variant(EfficientNet)
efficientnet_b1 = Variant(EfficientNet, {"width": 1.0, "depth": 1.1})
efficientnet_b2 = Variant(EfficientNet, {"width": 1.1, "depth": 1.2})
efficientnet_b3 = Variant(EfficientNet, {"width": 1.2, "depth": 1.4})
efficientnet_b4 = Variant(EfficientNet, {"width": 1.4, "depth": 1.8})
efficientnet_b5 = Variant(EfficientNet, {"width": 1.6, "depth": 2.2})
efficientnet_b6 = Variant(EfficientNet, {"width": 1.8, "depth": 2.6})
efficientnet_b7 = Variant(EfficientNet, {"width": 2.0, "depth": 3.1})

efficientnetv2_s = Variant(
    EfficientNet,
    {
        "stem_width": 24,
        "rows": (
            ("fused", 1, 3, 1, 24, 2),
            ("fused", 4, 3, 2, 48, 4),
            ("fused", 4, 3, 2, 64, 4),
            ("mb", 4, 3, 2, 128, 6),
            ("mb", 6, 3, 1, 160, 9),
            ("mb", 6, 3, 2, 256, 15),
        ),
    },
)
efficientnetv2_m = Variant(
    EfficientNet,
    {
        "stem_width": 24,
        "rows": (
            ("fused", 1, 3, 1, 24, 3),
            ("fused", 4, 3, 2, 48, 5),
            ("fused", 4, 3, 2, 80, 5),
            ("mb", 4, 3, 2, 160, 7),
            ("mb", 6, 3, 1, 176, 14),
            ("mb", 6, 3, 2, 304, 18),
            ("mb", 6, 3, 1, 512, 5),
        ),
    },
)
efficientnetv2_l = Variant(
    EfficientNet,
    {
        "stem_width": 32,
        "rows": (
            ("fused", 1, 3, 1, 32, 4),
            ("fused", 4, 3, 2, 64, 7),
            ("fused", 4, 3, 2, 96, 7),
            ("mb", 4, 3, 2, 192, 10),
            ("mb", 6, 3, 1, 224, 19),
            ("mb", 6, 3, 2, 384, 25),
            ("mb", 6, 3, 1, 640, 7),
        ),
    },
)
