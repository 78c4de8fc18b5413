"""DenseNet over time: every layer sees the maps of all layers before it in its block.

Huang, Liu, van der Maaten, Weinberger, "Densely connected convolutional networks", CVPR 2017, arXiv:1608.06993 (table 1).

Differs from the paper: one axis instead of two, and longer kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import same_conv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.lead_wise import joined_by_lead, lead_rows, lead_wise_leads
from ecg_backbones.layers.pool import Pool1d
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone

__all__ = ["DenseNet", "densenet121", "densenet_leadwise", "densenet_vanilla"]


def _before(in_channels: int, out_channels: int, kernel_size: int, groups: int) -> list[nn.Module]:
    """Normalisation, activation, convolution, in this order (section 3, "composite function")."""
    conv = same_conv1d(in_channels, out_channels, kernel_size, groups=groups)
    return [nn.BatchNorm1d(in_channels), nn.ReLU(), conv]


class _DenseLayer(nn.Module):
    """A few new channels from all that are there, beside them.

    Args:
        channels: Channels of the input.
        growth: New channels.
        kernel_size: Odd kernel length, in steps.
        bottleneck: Channels of a pointwise convolution in front for each new one; ``None`` for none.
        leads: Groups of channels that never meet.
        dropout: Probability of zeroing a new activation in training.
    """

    def __init__(
        self, channels: int, growth: int, *, kernel_size: int, bottleneck: int | None, leads: int, dropout: float
    ) -> None:
        super().__init__()
        parts = []
        if bottleneck is not None:
            parts = _before(channels, bottleneck * growth, 1, leads)
            channels = bottleneck * growth
        parts += _before(channels, growth, kernel_size, leads)
        self.layers, self.leads = nn.Sequential(*parts, nn.Dropout(dropout)), leads

    def forward(self, x: Tensor) -> Tensor:
        return joined_by_lead([x, self.layers(x)], self.leads)


class DenseNet(Backbone):
    """Dense blocks, and between them transitions to half of the channels and half of the steps.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch, or means 12 where ``lead_wise``.
        depths: Layers in each block.
        growth: Channels that a layer adds; for each lead where ``lead_wise``.
        bottleneck: Channels of a pointwise convolution in front of each layer, for each that the layer adds (DenseNet-B);
            ``None`` for none.
        kernel_size: Odd kernel length of the layers, in steps.
        stem_width: Channels of the first convolution; for each lead where ``lead_wise``.
        stem_kernel_size: Odd kernel length of the first convolution, in samples.
        stem_stride: Samples per step of the first convolution; a pooling to half of the steps follows.
        stem_pool: That pooling takes the ``"max"`` or the ``"avg"`` of three steps.
        compression: Share of the channels that a transition keeps (DenseNet-C).
        final_norm: Normalise and activate the last map.
        dropout: Probability of zeroing a new activation in training.
        lead_wise: Keep the leads apart throughout: no convolution mixes them.
        kernel_scale: ``fs`` over the sampling frequency that the kernels were made for; pointwise ones stay pointwise.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, channels, steps)``, where a transition leaves out an odd step at the end

    Raises:
        ValueError: There is no block, ``compression`` keeps nothing or adds, or a kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1608.06993",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        depths: Sequence[int] = (6, 12, 24, 16),
        growth: int = 32,
        bottleneck: int | None = 4,
        kernel_size: int = 15,
        stem_width: int = 64,
        stem_kernel_size: int = 35,
        stem_stride: int = 2,
        stem_pool: Literal["max", "avg"] = "max",
        compression: float = 0.5,
        final_norm: bool = True,
        dropout: float = 0.0,
        lead_wise: bool = False,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not depths or not 0 < compression <= 1:
            raise ValueError(
                f"a DenseNet needs at least one block, and transitions that keep a share of (0, 1] of the channels, "
                f"got depths={tuple(depths)}, compression={compression}"
            )
        self.lead_wise_leads = lead_wise_leads(in_leads, lead_wise)
        apart, kernel = self.lead_wise_leads or 1, scaled_kernel(kernel_size, kernel_scale)
        stem_kernel = scaled_kernel(stem_kernel_size, kernel_scale)
        self.stem = ConvNormActivation(
            self.lead_wise_leads or in_leads, apart * stem_width, stem_kernel, stride=stem_stride, groups=apart
        )
        self.halve = Pool1d(3, stride=2, padding=1, mode=stem_pool)
        geometry, self._geometry = self.halve.after(self.stem.after(Geometry())), []
        width, stages = stem_width, []
        self.blocks = nn.ModuleList()
        for number, depth in enumerate(depths):
            block = nn.Sequential()
            if number:
                kept = int(width * compression)
                block.extend([*_before(apart * width, apart * kept, 1, apart), Pool1d(2, mode="avg")])
                geometry, width = geometry.then(2, stride=2, padding=0), kept
            for _ in range(depth):
                block.append(
                    _DenseLayer(
                        apart * width, apart * growth, kernel_size=kernel, bottleneck=bottleneck, leads=apart, dropout=dropout
                    )
                )
                geometry, width = geometry.then(kernel), width + growth
            if final_norm and number == len(depths) - 1:
                block.extend([nn.BatchNorm1d(apart * width), nn.ReLU()])
            self.blocks.append(block)
            self._geometry.append(geometry)
            stages.append(geometry.stage(apart * width))
        self.stages, self.min_samples = tuple(stages), geometry.min_samples

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        refused = [{"depths": ()}, {"compression": 0.0}, {"kernel_size": 4}, {"stem_pool": "mean"}]
        return {"arguments": _TINY, "leads": 3, "samples": 80, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        return self.lead_wise_leads or self.stem.conv.known_channels

    def steps(self, samples: int, stage: int = -1) -> int:
        """Steps of a block's map."""
        return self._geometry[stage].steps(samples)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps of each block, before the next transition."""
        self.check_input(x)
        x = self.halve(self.stem(x))
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features

    def forward_lead_features(self, x: Tensor) -> Tensor:
        """``(batch, leads, channels, steps)``, each lead's own channels in its row, where ``lead_wise``; otherwise one row."""
        return lead_rows(self.forward_features(x), self.lead_wise_leads)


_TINY: dict[str, Any] = {"depths": (1, 1), "growth": 2, "stem_width": 4, "kernel_size": 3, "stem_kernel_size": 3}
_VANILLA: dict[str, Any] = {
    "depths": (6, 6, 6, 6), "growth": 16, "bottleneck": None, "stem_kernel_size": 25, "stem_stride": 1, "stem_pool": "avg",
    "final_norm": False,
}  # fmt: skip

densenet121 = Variant(DenseNet, {"depths": (6, 12, 24, 16), "growth": 32})
densenet_vanilla = Variant(DenseNet, _VANILLA)
densenet_leadwise = Variant(
    DenseNet,
    {**_VANILLA, "stem_width": 8, "growth": 1, "lead_wise": True},
    conformance={"arguments": {**_TINY, "stem_width": 2, "growth": 1}, "leads": 12, "samples": 80},
)
