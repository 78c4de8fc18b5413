"""The encoder of a U-Net over time: two convolutions, then halve and repeat.

Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015, arXiv:1505.04597.
On ECGs: Moskalenko, Zolotykh, Osipov, "Deep learning for ECG segmentation", Neuroinformatics 2019, arXiv:2001.04689.

Differs from the papers: convolutions keep the length. Its decoder is the head in ``heads/unet_decoder.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ecg_backbones.heads.unet_decoder import UNetDecoder
from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import HeConv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.max_pool import max_pool
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone
from ecg_core.tasks.labelling import LabellingTask

__all__ = ["UNetEncoder", "unet"]


class UNetEncoder(Backbone):
    """Double convolutions at full length, then after every halving.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        widths: Channels at full length and after each halving.
        kernel_size: Odd kernel length, in steps.
        kernel_scale: Multiplies the kernel length: fs over the sampling frequency it was meant for.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, widths[-1], samples // 2 ** (len(widths) - 1))``

    Raises:
        ValueError: There is no width, or the kernel is even.
    """

    papers = ("arXiv:1505.04597", "arXiv:2001.04689")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        kernel_size: int = 9,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not widths:
            raise ValueError("a U-Net needs the channels of at least one level, got widths=()")
        kernel = scaled_kernel(kernel_size, kernel_scale)
        self.levels = nn.ModuleList(
            nn.Sequential(ConvNormActivation(before, width, kernel), ConvNormActivation(width, width, kernel))
            for before, width in zip((in_leads, *widths), widths, strict=False)
        )
        geometry = Geometry()
        self._geometry = []
        for number in range(len(widths)):
            geometry = geometry.then(2, stride=2, padding=0) if number else geometry
            geometry = geometry.then(kernel).then(kernel)
            self._geometry.append(geometry)
        self.stages = tuple(g.stage(width) for g, width in zip(self._geometry, widths, strict=True))
        self.min_samples = geometry.min_samples

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        arguments = {"widths": (4, 6, 8), "kernel_size": 3}
        return {"arguments": arguments, "leads": 3, "samples": 100, "refused": [{"widths": ()}, {"kernel_size": 4}]}

    @property
    def first(self) -> HeConv1d:
        """The convolution that sees the leads."""
        conv = self.get_submodule("levels.0.0.conv")
        assert isinstance(conv, HeConv1d)
        return conv

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the first convolution takes; ``None`` before the first batch of a lazy one."""
        return self.first.known_channels

    def steps(self, samples: int, stage: int = -1) -> int:
        """Steps of a stage's map: halving leaves out an odd step."""
        return self._geometry[stage].steps(samples)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Maps of all levels, ``(batch, widths[i], samples // 2 ** i)``."""
        self.check_input(x)
        features: list[Tensor] = []
        for level in self.levels:
            x = level(max_pool(x, 2) if features else x)
            features.append(x)
        return features


unet = Variant(
    LabellingTask,
    {"backbone": UNetEncoder, "head": Variant(UNetDecoder, {"widths": (128, 64, 32, 16), "kernel_size": 9})},
)
