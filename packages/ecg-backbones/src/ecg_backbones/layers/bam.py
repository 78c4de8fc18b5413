"""BAM: channels and steps are weighed side by side, and the weighed part is added to the input.

Park, Woo, Lee, Kweon, "BAM: bottleneck attention module", BMVC 2018, arXiv:1807.06514.

Differs from the paper: the channel branch is not batch-normalised, so that a batch may hold one window.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecg_backbones.layers.conv_norm_activation import ConvNormActivation
from ecg_backbones.layers.convolution import same_conv1d
from ecg_backbones.layers.sized import SizedByInput

__all__ = ["BAM"]


class BAM(SizedByInput):
    """``x + x * sigmoid(of channels + of steps)``.

    Args:
        channels: Channels of the input; ``None`` takes them from the first input.
        reduction: Channels per hidden channel of both branches.
        kernel_size: Odd kernel length of the step branch, in taps.
        dilation: Steps between its taps.

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    def __init__(self, channels: int | None = None, *, reduction: int = 16, kernel_size: int = 3, dilation: int = 4) -> None:
        super().__init__()
        if reduction < 1 or dilation < 1:
            raise ValueError(f"reduction and dilation must be at least 1, got {reduction} and {dilation}")
        self.reduction, self.kernel_size, self.dilation = reduction, kernel_size, dilation
        self.start(channels)

    @classmethod
    def conformance_params(cls) -> dict[str, object]:
        """What the contract kit may rely on."""
        return {"arguments": {"channels": 16, "reduction": 4}, "refused": [{"dilation": 0}]}

    def grow(self, channels: int) -> None:
        hidden = max(1, channels // self.reduction)
        self.by_channel = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
        self.by_step = nn.Sequential(
            ConvNormActivation(channels, hidden, 1),
            ConvNormActivation(hidden, hidden, self.kernel_size, dilation=self.dilation),
            ConvNormActivation(hidden, hidden, self.kernel_size, dilation=self.dilation),
            same_conv1d(hidden, 1, 1, bias=True),
        )

    def attend(self, x: Tensor) -> Tensor:
        weights = (self.by_channel(x.mean(dim=-1))[..., None] + self.by_step(x)).sigmoid()
        return x + x * weights
