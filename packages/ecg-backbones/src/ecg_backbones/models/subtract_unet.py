"""SubtractUNet: a U-Net whose bottom looks at two scales and passes on their difference too.

The architecture of torch_ecg's ``ECG_SUBTRACT_UNET`` (MIT), after the second place of CPSC 2019's QRS detection challenge.

Differs from it: the coarser map is repeated to the steps of the finer one, so that every length works and not only
multiples of 100; convolutions before a normalisation have no bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ecg_backbones.heads.per_step import PerStepHead
from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import HeConv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.max_pool import max_pool
from ecg_backbones.layers.repetition import repeated_to
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.tasks.labelling import LabellingTask

__all__ = ["SubtractUNet", "subtract_unet"]


class SubtractUNet(Backbone):
    """Triple convolutions down, two branches and their difference at the bottom, triple convolutions up.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        widths: Channels at full length and after each pooling.
        scales: Steps that each pooling makes one.
        kernel_sizes: Odd kernel length of each level, in steps, the bottom's last.
        dilation: Steps between the taps of the bottom's second branch.
        dropout: Probability of zeroing a channel in the middle of each triple, in training.
        kernel_scale: Multiplies the kernel lengths: fs over the 500 Hz they are meant for.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, widths[0], samples)``

    Raises:
        ValueError: ``widths``, ``scales`` and ``kernel_sizes`` do not fit, or a kernel is even.
    """

    papers = ("arXiv:1505.04597",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        widths: Sequence[int] = (16, 24, 48, 96),
        scales: Sequence[int] = (10, 5, 2),
        kernel_sizes: Sequence[int] = (21, 11, 5, 5),
        dilation: int = 10,
        dropout: float = 0.15,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not len(widths) == len(kernel_sizes) == len(scales) + 1 > 1:
            raise ValueError(
                f"every level has a width and a kernel, and every one below the first a scale, got widths={tuple(widths)}, "
                f"kernel_sizes={tuple(kernel_sizes)}, scales={tuple(scales)}"
            )
        kernels = [scaled_kernel(k, kernel_scale) for k in kernel_sizes]
        self.scales = tuple(scales)
        inputs = (in_leads, *widths)
        self.down = nn.ModuleList(_convolutions(inputs[i], width, kernels[i], 3, dropout) for i, width in enumerate(widths[:-1]))
        bottom = [_convolutions(widths[-2], widths[-1], kernels[-1], 2, dropout, dilation=d) for d in (1, dilation)]
        self.near, self.far = bottom
        below = [3 * widths[-1], *reversed(widths[1:-1])]
        self.up = nn.ModuleList(
            _convolutions(b + width, width, kernel, 3, dropout)
            for b, width, kernel in zip(below, reversed(widths[:-1]), reversed(kernels[:-1]), strict=True)
        )
        geometry = Geometry()
        for scale, kernel in zip(scales, kernels, strict=False):
            geometry = geometry.then(3 * kernel - 2).then(scale, stride=scale, padding=0)
        self.min_samples = 2 * geometry.min_samples  # two steps at the bottom: an exported program takes no single one
        seen = geometry.then(kernels[-1], dilation=dilation).then(kernels[-1], dilation=dilation)
        # Upwards: a sample stands anywhere within the step that is repeated, and each level convolves once more.
        reach, stride = seen.receptive_field + 2 * seen.stride, seen.stride
        for scale, kernel in zip(reversed(scales), reversed(kernels[:-1]), strict=True):
            stride //= scale
            reach += 3 * (kernel - 1) * stride
        self.stages = (Stage(widths[0], 1, receptive_field=2 * (reach // 2) + 1),)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        arguments = {"widths": (4, 5, 6), "scales": (5, 2), "kernel_sizes": (3, 3, 3), "dilation": 2}
        refused = [{"scales": (2,)}, {"kernel_sizes": (3, 4, 3)}]
        return {"arguments": arguments, "leads": 3, "samples": 100, "refused": refused}

    @property
    def first(self) -> HeConv1d:
        """The convolution that sees the leads."""
        conv = self.get_submodule("down.0.0.conv")
        assert isinstance(conv, HeConv1d)
        return conv

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the first convolution takes; ``None`` before the first batch of a lazy one."""
        return self.first.known_channels

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """One map, ``(batch, widths[0], samples)``."""
        self.check_input(x)
        maps = []
        for level, scale in zip(self.down, self.scales, strict=True):
            x = level(x)
            maps.append(x)
            x = max_pool(x, scale)
        near, far = self.near(x), self.far(x)
        x = torch.cat([near, far, near - far], dim=1)
        for level, finer in zip(self.up, reversed(maps), strict=True):
            x = level(torch.cat([finer, repeated_to(x, finer.shape[-1])], dim=1))
        return [x]


def _convolutions(
    before: int | None, width: int, kernel_size: int, count: int, dropout: float, *, dilation: int = 1
) -> nn.Sequential:
    """``count`` convolutions with dropout before the last."""
    layers: list[nn.Module] = [
        ConvNormActivation(before if number == 0 else width, width, kernel_size, dilation=dilation) for number in range(count)
    ]
    return nn.Sequential(*layers[:-1], nn.Dropout(dropout), layers[-1])


subtract_unet = Variant(LabellingTask, {"backbone": SubtractUNet, "head": PerStepHead})
