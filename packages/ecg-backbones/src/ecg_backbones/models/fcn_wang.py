"""The fully convolutional network for time series: three convolutions at full length.

Wang, Yan, Oates, "Time series classification from scratch with deep neural networks: a strong baseline", IJCNN 2017,
arXiv:1611.06455: "The basic block is a convolutional layer followed by a batch normalization layer and a ReLU activation
layer. […] with the filter sizes {128, 256, 128}", kernels of 8, 5 and 3. On ECGs: Strodthoff et al., JBHI 2021,
arXiv:2004.13701 (``fcn_wang``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ecg_backbones.heads.linear import LinearHead
from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import HeConv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone
from ecg_core.tasks.classification import ClassificationTask

__all__ = ["FCNWang", "fcn_wang"]


class FCNWang(Backbone):
    """Convolution, normalisation and activation, three times, without any stride.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        widths: Channels of each convolution.
        kernel_sizes: Kernel length of each, in samples; an even one looks half a sample ahead.
        kernel_scale: Multiplies the kernel lengths, which then are odd.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, widths[-1], samples)``

    Raises:
        ValueError: ``widths`` and ``kernel_sizes`` differ in length or are empty.
    """

    papers = ("arXiv:1611.06455", "arXiv:2004.13701")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        widths: Sequence[int] = (128, 256, 128),
        kernel_sizes: Sequence[int] = (8, 5, 3),
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if len(widths) != len(kernel_sizes) or not widths:
            raise ValueError(
                f"each convolution needs a width and a kernel, got widths={tuple(widths)}, kernel_sizes={tuple(kernel_sizes)}"
            )
        kernels = [scaled_kernel(k, kernel_scale) for k in kernel_sizes]
        self.layers = nn.ModuleList(
            ConvNormActivation(before, width, kernel, even=True)
            for before, width, kernel in zip((in_leads, *widths), widths, kernels, strict=False)
        )
        geometry, stages = Geometry(), []
        for width, kernel in zip(widths, kernels, strict=True):
            geometry = geometry.then(kernel)
            stages.append(geometry.stage(width))
        self.stages = tuple(stages)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"widths": (4, 6, 5)}, "leads": 3, "samples": 80, "refused": [{"widths": ()}, {"widths": (4,)}]}

    @property
    def first(self) -> HeConv1d:
        """The convolution that sees the leads."""
        conv = self.get_submodule("layers.0.conv")
        assert isinstance(conv, HeConv1d)
        return conv

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the first convolution takes; ``None`` before the first batch of a lazy one."""
        return self.first.known_channels

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """Maps after each convolution, ``(batch, widths[i], samples)``."""
        self.check_input(x)
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return features


fcn_wang = Variant(ClassificationTask, {"backbone": FCNWang, "head": LinearHead})
