"""The encoder of CPC for ECGs: convolutions of each sample, then a recurrent network that reads from left to right.

van den Oord, Li, Vinyals, "Representation learning with contrastive predictive coding", 2018, arXiv:1807.03748; Mehari,
Strodthoff, "Self-supervised representation learning from 12-lead ECG data", Computers in Biology and Medicine 2022,
arXiv:2103.12676, whose sizes these are: a step sees one sample of all leads, and no step sees what comes after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.geometry import Geometry
from ecg_core.contracts.backbone import Backbone

__all__ = ["CPCEncoder"]


class CPCEncoder(Backbone):
    """Latents from convolutions, and a context of all latents up to now from an LSTM.

    The last map is the context and the one before it the latents, as ``cpc`` with ``context="backbone"`` takes them. A kernel
    longer than 1 looks half of itself ahead.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        widths: Channels of each convolution.
        kernel_sizes: Odd kernel length of each convolution, in steps.
        strides: Steps per step of each convolution.
        context_width: Units of the recurrent network.
        context_layers: Recurrent layers.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, context_width, ceil(samples / stride))``, where ``stride`` is the product of ``strides``

    Raises:
        ValueError: There is no convolution or no recurrent layer, kernels or strides are not one per convolution, or a kernel is
            even.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:1807.03748", "arXiv:2103.12676")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        widths: Sequence[int] = (512, 512, 512, 512),
        kernel_sizes: Sequence[int] = (1, 1, 1, 1),
        strides: Sequence[int] = (1, 1, 1, 1),
        context_width: int = 512,
        context_layers: int = 2,
    ) -> None:
        super().__init__()
        if not widths or context_layers < 1:
            raise ValueError(
                f"CPCEncoder needs a convolution and a recurrent layer, got widths={tuple(widths)}, "
                f"context_layers={context_layers}"
            )
        if not len(widths) == len(kernel_sizes) == len(strides):
            raise ValueError(
                f"widths, kernel_sizes and strides are one per convolution, got {len(widths)}, {len(kernel_sizes)} and "
                f"{len(strides)}"
            )
        channels, seen, stages = in_leads, Geometry(), []
        self.encoder = nn.ModuleList()
        for width, kernel_size, stride in zip(widths, kernel_sizes, strides, strict=True):
            conv = ConvNormActivation(channels, width, kernel_size, stride=stride)
            self.encoder.append(conv)
            channels, seen = width, conv.after(seen)
            stages.append(seen.stage(width))
        self.context = nn.LSTM(widths[-1], context_width, context_layers, batch_first=True)
        self.stages = (*stages, seen.stage(context_width, sees_all=True))

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        tiny = {"widths": (4, 6), "kernel_sizes": (3, 1), "strides": (2, 1), "context_width": 5, "context_layers": 1}
        refused = [{"widths": (), "kernel_sizes": (), "strides": ()}, {"context_layers": 0}, {"strides": (1,)}]
        return {"arguments": tiny, "leads": 3, "samples": 60, "refused": [*refused, {"kernel_sizes": (2, 1)}]}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads of the first convolution; ``None`` before the first batch of a lazy one."""
        return self.encoder[0].conv.known_channels  # type: ignore[union-attr, return-value]

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The map behind each convolution, and the states of the last recurrent layer."""
        self.check_input(x)
        features = []
        for conv in self.encoder:
            x = conv(x)
            features.append(x)
        features.append(self.context(x.transpose(1, 2))[0].transpose(1, 2))
        return features
