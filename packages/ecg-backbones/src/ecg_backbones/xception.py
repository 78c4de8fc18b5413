"""Xception over time: residual blocks of separable convolutions.

Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017, arXiv:1610.02357 (figure 5).

Differs from the paper: one axis instead of two, and longer depthwise kernels; pointwise ones stay pointwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import same_conv1d, scaled_kernel
from ecg_backbones.layers.geometry import Geometry
from ecg_backbones.layers.lead_wise import lead_rows, lead_wise_leads
from ecg_backbones.layers.pool import Pool1d
from ecg_backbones.layers.separable import SeparableConv1d
from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone

__all__ = ["Xception", "xception_leadwise", "xception_vanilla"]


class _Block(nn.Module):
    """Activation, separable convolution and normalisation, some times over; beside the identity, or halved beside a projection.

    Args:
        in_channels: Channels of the input.
        widths: Channels of each separable convolution.
        kernel_size: Odd kernel length, in steps.
        halve: Pool to half of the steps, beside a pointwise convolution that strides.
        starts_active: Whether the input is activated first.
        leads: Groups of channels that never meet.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        *,
        kernel_size: int,
        halve: bool,
        starts_active: bool = True,
        leads: int = 1,
    ) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        channels, out = in_channels, widths[-1]
        for number, width in enumerate(widths):
            if number or starts_active:
                parts.append(nn.ReLU())
            parts += [SeparableConv1d(channels, width, kernel_size, groups=leads), nn.BatchNorm1d(width)]
            channels = width
        if halve:
            parts.append(Pool1d(3, stride=2, padding=1))
        self.layers = nn.Sequential(*parts)
        self.shortcut = (
            nn.Sequential(same_conv1d(in_channels, out, 1, stride=2, groups=leads), nn.BatchNorm1d(out))
            if halve
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + self.shortcut(x)

    def after(self, before: Geometry) -> Geometry:
        """The time axis behind the block."""
        for part in self.layers:
            if isinstance(part, (SeparableConv1d, Pool1d)):
                before = part.after(before)
        return before


class Xception(Backbone):
    """An entry that narrows time, a middle of constant width, and an exit that widens the channels.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch, or means 12 where ``lead_wise``.
        stem_widths: Channels of the first two convolutions, of which the first halves the steps.
        entry_widths: Channels of each block of the entry, which halves the steps.
        middle_depth: Blocks of the middle, of three convolutions and as wide as the entry's last.
        exit_width: Channels of the block of the exit, which halves the steps.
        final_widths: Channels of the separable convolutions at the end.
        kernel_size: Odd kernel length of the separable convolutions in steps, or one for entry, middle, exit and end.
        stem_kernel_size: Odd kernel length of the first two convolutions, in samples.
        lead_wise: Keep the leads apart throughout: no convolution mixes them, and all widths are for each lead.
        kernel_scale: ``fs`` over the sampling frequency that the kernels were made for; pointwise ones stay pointwise.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, channels, ceil(samples / stride))``, where the default ``stride`` is 32

    Raises:
        ValueError: A part has no widths, there are not four kernels, or one is even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1610.02357",)

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        stem_widths: tuple[int, int] = (32, 64),
        entry_widths: Sequence[int] = (128, 256, 728),
        middle_depth: int = 8,
        exit_width: int = 1024,
        final_widths: Sequence[int] = (1536, 2048),
        kernel_size: int | Sequence[int] = 15,
        stem_kernel_size: int = 15,
        lead_wise: bool = False,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        kernels = [kernel_size] * 4 if isinstance(kernel_size, int) else list(kernel_size)
        if not entry_widths or not final_widths or len(kernels) != 4:
            raise ValueError(
                f"an Xception needs entry_widths, final_widths, and one kernel or four, got entry_widths={tuple(entry_widths)}, "
                f"final_widths={tuple(final_widths)}, kernel_size={kernel_size!r}"
            )
        entry, middle, leave, final = (scaled_kernel(k, kernel_scale) for k in kernels)
        self.lead_wise_leads = lead_wise_leads(in_leads, lead_wise)
        apart = self.lead_wise_leads or 1
        first, second = (apart * width for width in stem_widths)
        stem_kernel = scaled_kernel(stem_kernel_size, kernel_scale)
        self.stem = nn.Sequential(
            ConvNormActivation(self.lead_wise_leads or in_leads, first, stem_kernel, stride=2, groups=apart),
            ConvNormActivation(first, second, stem_kernel, groups=apart),
        )
        seen = Geometry().then(stem_kernel, stride=2).then(stem_kernel)
        channels, stages = second, []
        self.blocks = nn.ModuleList()
        for number, width in enumerate(entry_widths):
            out = apart * width
            block = _Block(channels, (out, out), kernel_size=entry, halve=True, starts_active=number > 0, leads=apart)
            self.blocks.append(nn.Sequential(block))
            seen, channels = block.after(seen), out
            stages.append(seen.stage(channels))
        for _ in range(middle_depth):
            block = _Block(channels, [channels] * 3, kernel_size=middle, halve=False, leads=apart)
            self.blocks[-1].append(block)  # type: ignore[operator]
            seen = block.after(seen)
        stages[-1] = seen.stage(channels)
        block = _Block(channels, (channels, apart * exit_width), kernel_size=leave, halve=True, leads=apart)
        end = nn.Sequential(block)
        seen, channels = block.after(seen), apart * exit_width
        for width in final_widths:
            separable = SeparableConv1d(channels, apart * width, final, groups=apart)
            end.extend([separable, nn.BatchNorm1d(apart * width), nn.ReLU()])
            seen, channels = separable.after(seen), apart * width
        self.blocks.append(end)
        self.stages = (*stages, seen.stage(channels))

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        refused = [{"entry_widths": ()}, {"kernel_size": (3, 3)}, {"kernel_size": 4}]
        return {"arguments": _TINY, "leads": 3, "samples": 80, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads the stem takes; ``None`` before the first batch of a lazy stem."""
        first = self.stem[0]
        assert isinstance(first, ConvNormActivation)
        return self.lead_wise_leads or first.conv.known_channels

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The last map of every stride from 4, ``(batch, stages[i].channels, ceil(samples / stages[i].stride))``."""
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


_TINY: dict[str, Any] = {
    "stem_widths": (2, 4), "entry_widths": (4,), "middle_depth": 1, "exit_width": 4, "final_widths": (6,), "kernel_size": 3,
    "stem_kernel_size": 3,
}  # fmt: skip

xception_vanilla = Variant(Xception, {"final_widths": (1456, 2048), "kernel_size": (15, 13, 17, 3), "stem_kernel_size": 31})
xception_leadwise = Variant(
    Xception,
    {
        "stem_widths": (8, 16),
        "entry_widths": (32, 64, 182),
        "exit_width": 256,
        "final_widths": (364, 512),
        "kernel_size": (15, 13, 3, 17),
        "stem_kernel_size": 31,
        "lead_wise": True,
    },
    conformance={
        "arguments": {**_TINY, "stem_widths": (1, 1), "entry_widths": (2,), "exit_width": 2, "final_widths": (2,)},
        "leads": 12,
        "samples": 80,
        "refused": [{"final_widths": ()}],
    },
)
