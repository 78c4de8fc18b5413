"""RegNet over time: bottlenecks whose widths lie on a line, rounded to a few stages.

Radosavovic, Kosaraju, Girshick, He, Dollár, "Designing network design spaces", CVPR 2020, arXiv:2003.13678 (section 3.3,
equations 2 to 4; RegNetY weighs its channels).

Differs from the paper: one axis instead of two, and longer kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from ecg_backbones.layers.convolution import scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.residual import BlockOptions, Bottleneck
from ecg_backbones.layers.squeeze_excite import SqueezeExcite
from ecg_backbones.layers.stem import Stem
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone

__all__ = ["RegNet", "regnet_16_8", "regnet_23_168", "regnet_27_24", "regnet_s", "stage_sizes"]


def stage_sizes(depth: int, *, initial: float, slope: float, ratio: float, group_width: int) -> list[tuple[int, int]]:
    """Widths and depths of the stages, from a line.

    Block ``j`` would have ``initial + slope * j`` channels; its width is ``initial`` times the nearest whole power of
    ``ratio``, rounded to a multiple of 8. Blocks of one width are one stage, and that width is rounded to groups.

    Args:
        depth: Blocks in all.
        initial: Channels where the line starts, ``w_0``.
        slope: Channels more from block to block, ``w_a``.
        ratio: From stage to stage, ``w_m``.
        group_width: Channels of a group.

    Returns:
        ``(width, depth)`` of each stage.

    >>> stage_sizes(16, initial=48, slope=27.89, ratio=2.09, group_width=8)
    [(48, 1), (104, 3), (208, 6), (440, 6)]
    """
    stages: dict[int, int] = {}
    for number in range(depth):
        power = round(math.log((initial + slope * number) / initial) / math.log(ratio))
        width = 8 * round(initial * ratio**power / 8)
        stages[width] = stages.get(width, 0) + 1
    return [(_whole_groups(width, group_width), blocks) for width, blocks in stages.items()]


class RegNet(Backbone):
    """Stages of bottlenecks, each of which halves the steps.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        depth: Blocks in all.
        initial: Channels of the first block, before rounding.
        slope: Channels more from block to block.
        ratio: Channels of a stage for each of the stage before it.
        widths: Channels of each stage's long convolutions, instead of by the rule; with ``depths``.
        depths: Blocks of each stage, instead of by the rule; with ``widths``.
        group_width: Channels of a group in the long convolutions, or one for each stage.
        expansion: Channels of a block's output for each of its long convolution.
        kernel_size: Odd kernel length of the blocks in steps, or one for each stage.
        squeeze: Squeeze-and-excitation on the ``"neck"``, behind the long convolution, with a quarter of the block's input
            channels as its hidden ones (RegNetY), on a block's ``"end"`` with an eighth of its channels, or ``None`` (RegNetX).
        stem_width: Channels of the first convolution, which halves the steps.
        stem_kernel_size: Odd kernel length of the first convolution, in samples.
        stem_pool: Steps per step of a pooling behind it; 1 for none.
        kernel_scale: ``fs`` over the sampling frequency that the kernels were made for; pointwise ones stay pointwise.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, channels, ceil(samples / stride))``, where the default ``stride`` is 32

    Raises:
        ValueError: What is given for each stage differs in number, one of ``widths`` and ``depths`` is missing, or a width is no
            whole number of groups.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2003.13678",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        depth: int = 16,
        initial: float = 48,
        slope: float = 27.89,
        ratio: float = 2.09,
        widths: Sequence[int] | None = None,
        depths: Sequence[int] | None = None,
        group_width: int | Sequence[int] = 8,
        expansion: int = 1,
        kernel_size: int | Sequence[int] = 15,
        squeeze: Literal["neck", "end"] | None = "neck",
        stem_width: int = 32,
        stem_kernel_size: int = 15,
        stem_pool: int = 1,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if squeeze not in ("neck", "end", None):
            raise ValueError(f"squeeze-and-excitation stands on the 'neck', on the 'end' or nowhere (None), got {squeeze!r}")
        if widths is None and depths is None and isinstance(group_width, int):
            sizes = stage_sizes(depth, initial=initial, slope=slope, ratio=ratio, group_width=group_width)
        else:
            sizes = list(zip(widths or (), depths or (), strict=False))
            if not widths or not depths or len(widths) != len(depths):
                raise ValueError(f"give a width and a depth for each stage, got widths={widths!r}, depths={depths!r}")
        groups = [group_width] * len(sizes) if isinstance(group_width, int) else list(group_width)
        kernels = [kernel_size] * len(sizes) if isinstance(kernel_size, int) else list(kernel_size)
        if not len(groups) == len(kernels) == len(sizes) or any(w % g for (w, _), g in zip(sizes, groups, strict=True)):
            raise ValueError(
                f"each of the {len(sizes)} stages needs a kernel, and a group width that divides its width, got "
                f"widths={[w for w, _ in sizes]}, group_width={group_width!r}, kernel_size={kernel_size!r}"
            )
        self.stem = Stem(
            in_leads, [stem_width], kernel_size=scaled_kernel(stem_kernel_size, kernel_scale), strides=(2, stem_pool)
        )
        seen, channels, stages = self.stem.after(Geometry()), stem_width, []
        self.blocks = nn.ModuleList()
        for (width, blocks), group, kernel in zip(sizes, groups, kernels, strict=True):
            stage = nn.Sequential()
            for index in range(blocks):
                block = Bottleneck(
                    channels,
                    width * expansion,
                    neck=width,
                    kernel_size=scaled_kernel(kernel, kernel_scale),
                    stride=1 if index else 2,
                    options=BlockOptions(
                        groups=width // group, attention=_weighing(squeeze, channels), attention_at=squeeze or "end"
                    ),
                )
                stage.append(block)
                channels, seen = width * expansion, block.after(seen)
            self.blocks.append(stage)
            stages.append(seen.stage(channels, sees_all=squeeze is not None))
        self.stages = tuple(stages)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        refused = [{"widths": (4,), "depths": None}, {"kernel_size": 4}, {"group_width": 3}, {"squeeze": "head"}]
        return {"arguments": _TINY, "leads": 3, "samples": 80, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        return self.stem.in_leads

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps after each stage, ``(batch, channels, ceil(samples / stages[i].stride))``."""
        self.check_input(x)
        x = self.stem(x)
        features = []
        for stage in self.blocks:
            x = stage(x)
            features.append(x)
        return features


def _whole_groups(width: int, group_width: int) -> int:
    """The nearest number of whole groups."""
    return max(group_width, int(width + group_width / 2) // group_width * group_width)


def _weighing(squeeze: Literal["neck", "end"] | None, in_channels: int) -> Callable[[int], nn.Module] | None:
    if squeeze is None:
        return None
    if squeeze == "end":
        return lambda channels: SqueezeExcite(channels, reduction=8)
    return lambda channels: SqueezeExcite(channels, hidden=max(1, round(in_channels / 4)))


_TINY: dict[str, Any] = {
    "widths": (4,), "depths": (1,), "group_width": 2, "kernel_size": 3, "stem_width": 4, "stem_kernel_size": 3,
}  # fmt: skip
_ECG: dict[str, Any] = {
    "kernel_size": 11, "squeeze": "end", "stem_width": 64, "stem_kernel_size": 25, "stem_pool": 2,
}  # fmt: skip


def _variant(**more: Any) -> Variant[RegNet]:
    tiny = {"arguments": _TINY, "leads": 3, "samples": 80, "refused": [{"kernel_size": 4}]}
    return Variant(RegNet, {**_ECG, **more}, conformance=tiny)


# The rules of RegNetY-400MF, RegNetY-1.6GF and RegNetX-32GF, named by their depths and group widths.
regnet_16_8 = _variant(depth=16, initial=48, slope=27.89, ratio=2.09, group_width=8)
regnet_27_24 = _variant(depth=27, initial=48, slope=20.71, ratio=2.65, group_width=24)
regnet_23_168 = _variant(depth=23, initial=320, slope=69.86, ratio=2.0, group_width=168)
regnet_s = _variant(
    widths=(32, 64, 128, 256), depths=(2, 2, 2, 2), group_width=(8, 16, 32, 64), expansion=4, kernel_size=(13, 11, 7, 5)
)
