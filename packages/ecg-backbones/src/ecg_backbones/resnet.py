"""ResNet over time, and its relatives of the same plan: wide ResNet, ResNeXt, SE-ResNet, xResNet.

He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016; Xie et al., "Aggregated residual
transformations", CVPR 2017; Zagoruyko and Komodakis, "Wide residual networks", BMVC 2016.
On ECGs: Ribeiro et al., "Automatic diagnosis of the 12-lead ECG using a deep neural network", Nature Communications
2020; Strodthoff et al., "Deep learning for ECG analysis: benchmarks and insights from PTB-XL", IEEE JBHI 2021 (xResNet);
Zhao et al., "Adaptive lead weighted ResNet", Computing in Cardiology 2020 (SE-ResNet-18, second of the 2020 challenge).

Differs from the paper: one axis instead of two, and longer kernels. A 3x3 kernel sees 9 neighbours, a 1-D kernel only
as many as it is long, and the ECG's small waves are wide in samples: at 250 Hz a QRS complex lasts about 25. The stem's
15 samples span 60 ms and each 7-tap convolution of the first stage 112 ms (one step is 4 samples there), which is the
scale of Ribeiro's 17 samples at 400 Hz. The features of ``resnet18`` see 1291 samples, 5.2 s at 250 Hz: several beats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from ecg_backbones.layers.activations import Activation
from ecg_backbones.layers.attention import Attention, attention_maker
from ecg_backbones.layers.convolution import scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.lead_wise import lead_rows, lead_wise_leads
from ecg_backbones.layers.residual import BasicBlock, BlockOptions, Bottleneck, Convolution, Shortcut
from ecg_backbones.layers.stem import Stem
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone

__all__ = [
    "BasicBlock", "Bottleneck", "ResNet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d",
    "resnext101_32x8d", "se_resnet", "wide_resnet50_2", "wide_resnet101_2", "xresnet1d18", "xresnet1d34", "xresnet1d50",
    "xresnet1d101",
]  # fmt: skip

Block = Literal["basic", "bottleneck"]
PerBlock = int | Sequence[int | Sequence[int]]


class ResNet(Backbone):
    """Residual network over time.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch, or means 12 where ``lead_wise``.
        widths: Channels of each stage, before a bottleneck's expansion; for each lead where ``lead_wise``.
        depths: Residual blocks in each stage.
        strides: Steps of each stage's input per step of its output; ``None`` means 1 and then 2 throughout.
        block: ``"basic"`` or ``"bottleneck"``, or one of them for each stage.
        kernel_size: Odd kernel length of the blocks in steps; or one for each stage, or one for each block of each stage.
        groups: Groups of channels in the long convolutions (the cardinality of ResNeXt).
        neck: Channels of a bottleneck's long convolution for each of ``widths`` and ``groups``: 1 for ResNet, 2 for wide
            ResNet, 4/64 for ResNeXt 32x4d.
        expansion: Channels of a bottleneck's output for each of ``widths``.
        convolution: ``"plain"``, ``"separable"``, or ``"anti_aliased"``, which blurs before it strides.
        shortcut: How shortcuts stride: in their convolution, ``"conv"``, or in a pooling, ``"max"``, ``"avg"`` or ``"blur"``.
        attention: Attention layer of every block: one of ours by name or with arguments, ``{"name": "squeeze_excite",
            "reduction": 8}``, or what makes one when it is called with ``channels``;
            or one, or ``None``, for each stage.
        attention_at: Attention on a block's ``"end"``, before the sum, or on the ``"neck"`` of bottlenecks.
        activation: By name.
        slope: Of ``"leaky_relu"`` below zero.
        dropout: Probability of zeroing an activation of a block in training.
        drop_path: Probability that a window skips the last block in training; it grows linearly from the first (Huang et al.,
            "Deep networks with stochastic depth", ECCV 2016).
        stem: ``"conv"``, or ``"space_to_depth"``: blocks of 4 samples as channels and a convolution of one step.
        stem_widths: Channels of each convolution of the stem; ``None`` means one of ``widths[0]``.
        stem_kernel_size: Odd kernel length of the stem's convolutions, in samples.
        stem_strides: Samples per step of the stem's first convolution, and steps per step of the pooling behind it.
        lead_wise: Keep the leads apart throughout: no convolution mixes them.
        kernel_scale: ``fs`` over the sampling frequency that the kernels were made for; scales all that are longer than one step.
        zero_init: Start every block as the identity, by a zero scale in its last normalisation (Goyal et al. 2017,
            section 5.1).

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, channels, ceil(samples / stride))``, where the default ``stride`` is ``2 ** (len(widths) + 1)``

    Raises:
        ValueError: What is given for each stage differs in length, a kernel is even, or attention would mix leads that are to
            be kept apart.
    """

    papers: ClassVar[tuple[str, ...]] = (
        "arXiv:1512.03385", "arXiv:1605.07146", "arXiv:1611.05431", "arXiv:1812.01187", "arXiv:1603.09382", "arXiv:2003.13630",
        "arXiv:2004.13701", "doi:10.1038/s41591-018-0268-3", "doi:10.1038/s41467-020-15432-4", "doi:10.22489/CinC.2020.112",
    )  # fmt: skip

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        depths: Sequence[int] = (2, 2, 2, 2),
        strides: Sequence[int] | None = None,
        block: Block | Sequence[Block] = "basic",
        kernel_size: PerBlock = 7,
        groups: int = 1,
        neck: float = 1.0,
        expansion: int = 4,
        convolution: Convolution = "plain",
        shortcut: Shortcut = "conv",
        attention: Attention | Sequence[Attention | None] | None = None,
        attention_at: Literal["end", "neck"] = "end",
        activation: Activation = "relu",
        slope: float = 0.01,
        dropout: float = 0.0,
        drop_path: float = 0.0,
        stem: Literal["conv", "space_to_depth"] = "conv",
        stem_widths: Sequence[int] | None = None,
        stem_kernel_size: int = 15,
        stem_strides: tuple[int, int] = (2, 2),
        lead_wise: bool = False,
        kernel_scale: float = 1.0,
        zero_init: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) != len(depths) or not widths:
            raise ValueError(f"each stage needs a width and a depth, got widths={tuple(widths)}, depths={tuple(depths)}")
        if lead_wise and attention is not None:
            raise ValueError(f"attention {attention!r} mixes the leads that lead_wise keeps apart; leave one of them out")
        number = len(widths)
        strides = (1, *[2] * (number - 1)) if strides is None else strides
        kernels = [_each("kernel_size", k, d) for k, d in zip(_each("kernel_size", kernel_size, number), depths, strict=True)]
        self.lead_wise_leads = lead_wise_leads(in_leads, lead_wise)
        apart = self.lead_wise_leads or 1  # groups of channels that never meet
        self.stem = Stem(
            self.lead_wise_leads or in_leads,
            [apart * width for width in stem_widths or widths[:1]],
            form=stem,
            kernel_size=scaled_kernel(stem_kernel_size, kernel_scale),
            strides=stem_strides,
            groups=apart,
            activation=activation,
            slope=slope,
        )
        shared = BlockOptions(
            convolution=convolution,
            shortcut=shortcut,
            groups=groups * apart,
            pointwise_groups=apart,
            attention_at=attention_at,
            activation=activation,
            slope=slope,
            dropout=dropout,
        )
        skipped = iter([drop_path * i / max(1, sum(depths) - 1) for i in range(sum(depths))])
        seen, channels, attended = self.stem.after(Geometry()), apart * (stem_widths or widths[:1])[-1], False
        self.blocks, stages = nn.ModuleList(), []
        for width, lengths, stride, form, layer in zip(
            widths,
            kernels,
            _each("strides", strides, number),
            _each("block", block, number),
            _each("attention", attention, number),
            strict=True,
        ):
            options = replace(shared, attention=None if layer is None else attention_maker(layer))
            attended |= layer is not None
            stage = nn.Sequential()
            for index, length in enumerate(lengths):
                words: dict[str, Any] = {
                    "kernel_size": scaled_kernel(length, kernel_scale),
                    "stride": 1 if index else stride,
                    "options": options,
                    "drop_path": next(skipped),
                }
                made: BasicBlock | Bottleneck
                if form == "bottleneck":
                    neck_width, out = apart * int(width * neck) * groups, apart * width * expansion
                    made = Bottleneck(channels, out, neck=neck_width, **words)
                else:
                    out = apart * width
                    made = BasicBlock(channels, out, **words)
                stage.append(made)
                channels, seen = out, made.after(seen)
            self.blocks.append(stage)
            stages.append(seen.stage(channels, sees_all=attended))
        self.stages = tuple(stages)
        if zero_init:
            for module in self.modules():
                if isinstance(module, (BasicBlock, Bottleneck)):
                    nn.init.zeros_(module.last_norm.weight)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"widths": (4, 8), "depths": (1, 1), "kernel_size": 3, "stem_kernel_size": 3}
        refused = [{"kernel_size": 4}, {"widths": (8, 16), "depths": (1,)}, {"strides": (1, 2, 2)}, {"block": "basis"}]
        return {"arguments": tiny, "leads": 3, "samples": 300, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        return self.lead_wise_leads or self.stem.in_leads

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps after each stage, ``(batch, channels, ceil(samples / stages[i].stride))``."""
        self.check_input(x)
        x = self.stem(x)
        features = []
        for stage in self.blocks:
            x = stage(x)
            features.append(x)
        return features

    def forward_lead_features(self, x: Tensor) -> Tensor:
        """``(batch, leads, channels, steps)``, each lead's own channels in its row, where ``lead_wise``; otherwise one row."""
        return lead_rows(self.forward_features(x), self.lead_wise_leads)


def _each(word: str, value: Any, number: int) -> list[Any]:
    """One value for each of ``number`` stages or blocks."""
    if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
        value = [value] * number
    if len(value) != number:
        raise ValueError(f"{word} needs one value, or one for each of {number}, got {len(value)}: {value!r}")
    if word == "block" and not set(value) <= {"basic", "bottleneck"}:
        raise ValueError(f"a block is 'basic' or 'bottleneck', got {value!r}")
    return list(value)


_DEEP: dict[str, Any] = {"depths": (3, 4, 6, 3), "block": "bottleneck"}
_XRESNET: dict[str, Any] = {
    "widths": (64, 64, 64, 64), "kernel_size": 5, "stem_kernel_size": 5, "stem_widths": (32, 32, 64), "shortcut": "avg",
    "zero_init": True,
}  # fmt: skip
# What the contract kit builds of a variant: one narrow block, of its own kind.
_ONE: dict[str, Any] = {"widths": (4,), "depths": (1,), "strides": (2,), "kernel_size": 3, "stem_kernel_size": 3}


def _small(**more: Any) -> dict[str, Any]:
    return {"arguments": {**_ONE, **more}, "leads": 3, "samples": 200}


resnet18 = Variant(ResNet, {"widths": (64, 128, 256, 512), "depths": (2, 2, 2, 2)})
resnet34 = Variant(ResNet, {"depths": (3, 4, 6, 3)}, conformance=_small())
resnet50 = Variant(ResNet, _DEEP, conformance=_small())
resnet101 = Variant(ResNet, {**_DEEP, "depths": (3, 4, 23, 3)}, conformance=_small())
resnet152 = Variant(ResNet, {**_DEEP, "depths": (3, 8, 36, 3)}, conformance=_small())
resnext50_32x4d = Variant(ResNet, {**_DEEP, "groups": 32, "neck": 4 / 64}, conformance=_small(groups=2, neck=0.5))
resnext101_32x8d = Variant(
    ResNet, {**_DEEP, "depths": (3, 4, 23, 3), "groups": 32, "neck": 8 / 64}, conformance=_small(groups=2, neck=0.5)
)
wide_resnet50_2 = Variant(ResNet, {**_DEEP, "neck": 2.0}, conformance=_small())
wide_resnet101_2 = Variant(ResNet, {**_DEEP, "depths": (3, 4, 23, 3), "neck": 2.0}, conformance=_small())
se_resnet = Variant(
    ResNet, {"attention": {"name": "squeeze_excite", "bias": False}, "dropout": 0.2}, conformance=_small()
)  # Zhao et al. drop out inside the blocks only, not behind their sums
xresnet1d18 = Variant(ResNet, _XRESNET, conformance=_small(stem_widths=(2, 4)))
xresnet1d34 = Variant(ResNet, {**_XRESNET, "depths": (3, 4, 6, 3)}, conformance=_small(stem_widths=(2, 4)))
xresnet1d50 = Variant(ResNet, {**_XRESNET, **_DEEP}, conformance=_small(stem_widths=(2, 4)))
xresnet1d101 = Variant(ResNet, {**_XRESNET, **_DEEP, "depths": (3, 4, 23, 3)}, conformance=_small(stem_widths=(2, 4)))
