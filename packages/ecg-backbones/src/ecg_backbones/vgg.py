"""VGG-16 over time: stages of convolutions of one length, each followed by a pooling.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015, arXiv:1409.1556
(table 1, D), with a normalisation behind every convolution. On ECGs, with the narrower stages of ``vgg16``: Yao et al.,
"Multi-class arrhythmia detection from 12-lead varied-length ECG using attention-based time-incremental convolutional neural
network", Information Fusion 2020, doi:10.1016/j.inffus.2019.06.024.

Differs from the paper: one axis instead of two, and longer kernels: 15 samples are 30 ms at 500 Hz.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import HeConv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.lead_wise import lead_rows, lead_wise_leads
from ecg_backbones.layers.pool import Pool1d
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone

__all__ = ["VGG", "vgg16", "vgg16_bn", "vgg16_leadwise"]


class VGG(Backbone):
    """Convolutions of one length, and a pooling behind each stage.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch, or means 12 where ``lead_wise``.
        widths: Channels of each stage; for each lead where ``lead_wise``.
        depths: Convolutions in each stage.
        kernel_size: Odd kernel length, in steps.
        pool: Steps of a pooling's window, and from one window to the next.
        activation: By name.
        lead_wise: Keep the leads apart throughout: no convolution mixes them.
        kernel_scale: ``fs`` over the sampling frequency that the kernel was made for.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, channels, steps)``, where each pooling leaves out what does not fill a window

    Raises:
        ValueError: ``widths`` and ``depths`` differ in length or are empty, or the kernel is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1409.1556", "doi:10.1016/j.inffus.2019.06.024")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        widths: Sequence[int] = (48, 96, 192, 384, 384),
        depths: Sequence[int] = (2, 2, 3, 3, 3),
        kernel_size: int = 15,
        pool: tuple[int, int] = (3, 2),
        activation: Literal["relu", "leaky_relu", "mish", "silu"] = "relu",
        lead_wise: bool = False,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not len(widths) == len(depths) > 0:
            raise ValueError(f"each stage needs a width and a depth, got widths={tuple(widths)}, depths={tuple(depths)}")
        kernel = scaled_kernel(kernel_size, kernel_scale)
        self.lead_wise_leads = lead_wise_leads(in_leads, lead_wise)
        apart = self.lead_wise_leads or 1
        self.blocks = nn.ModuleList()
        geometry, self._geometry, channels = Geometry(), [], self.lead_wise_leads or in_leads
        for width, depth in zip(widths, depths, strict=True):
            stage = nn.Sequential()
            for _ in range(depth):
                layer = ConvNormActivation(channels, apart * width, kernel, groups=apart, activation=activation)
                stage.append(layer)
                geometry, channels = layer.after(geometry), apart * width
            stage.append(Pool1d(pool[0], stride=pool[1]))
            geometry = geometry.then(pool[0], stride=pool[1], padding=0)
            self.blocks.append(stage)
            self._geometry.append(geometry)
        self.stages = tuple(g.stage(apart * width) for g, width in zip(self._geometry, widths, strict=True))
        self.min_samples = geometry.min_samples

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"widths": (4, 6), "depths": (1, 2), "kernel_size": 3}
        return {"arguments": tiny, "leads": 3, "samples": 80, "refused": [{"depths": (1,)}, {"kernel_size": 4}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the first convolution takes; ``None`` before the first batch of a lazy one."""
        conv = self.get_submodule("blocks.0.0.conv")
        assert isinstance(conv, HeConv1d)
        return conv.known_channels

    def steps(self, samples: int, stage: int = -1) -> int:
        """Steps of a stage's map."""
        return self._geometry[stage].steps(samples)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Feature maps after the pooling of each stage."""
        self.check_input(x)
        features = []
        for stage in self.blocks:
            x = stage(x)
            features.append(x)
        return features

    def forward_lead_features(self, x: Tensor) -> Tensor:
        """``(batch, leads, channels, steps)``, each lead's own channels in its row, where ``lead_wise``; otherwise one row."""
        return lead_rows(self.forward_features(x), self.lead_wise_leads)


_TINY: dict[str, Any] = {"widths": (2, 2), "depths": (1, 1), "kernel_size": 3}

vgg16 = Variant(VGG)
vgg16_bn = Variant(
    VGG,
    {"widths": (64, 128, 256, 512, 512), "pool": (2, 2)},
    conformance={"arguments": _TINY, "leads": 3, "samples": 80, "refused": [{"widths": ()}]},
)
vgg16_leadwise = Variant(
    VGG,
    {"widths": (16, 32, 64, 128, 128), "lead_wise": True},
    conformance={"arguments": _TINY, "leads": 12, "samples": 80, "refused": [{"kernel_size": 2}]},
)
