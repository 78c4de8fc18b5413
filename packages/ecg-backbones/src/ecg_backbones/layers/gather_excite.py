"""Gather-excite: each channel is scaled by what itself holds in the neighbourhood.

Hu, Shen, Albanie, Sun, Vedaldi, "Gather-excite: exploiting feature context in convolutional neural networks", NeurIPS
2018, arXiv:1810.12348: GE-θ⁻ (means), GE-θ (learned) and, with ``reduction``, GE-θ⁺ (learned, and channels together).

Differs from the paper: one strided depthwise convolution gathers, instead of one for each halving.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d
from ecg_backbones.layers.sized import SizedByInput

__all__ = ["GatherExcite"]


class GatherExcite(SizedByInput):
    """Gather around every ``extent``-th step, then scale the nearest steps by the sigmoid of it.

    Args:
        channels: Channels of the input; ``None`` takes them from the first input.
        extent: Steps from one gathering place to the next; each gathers ``2 * extent - 1`` steps. ``None`` gathers the whole
            window, which is always by the mean.
        learned: Gather by a depthwise convolution and a normalisation; otherwise by the mean.
        reduction: Channels per hidden channel of a perceptron that sees all channels; ``None`` keeps them apart.

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    def __init__(
        self, channels: int | None = None, *, extent: int | None = 8, learned: bool = True, reduction: int | None = None
    ) -> None:
        super().__init__()
        if extent is not None and extent < 1:
            raise ValueError(f"extent must be at least 1 step, or None for the whole window, got {extent}")
        if extent is None and learned:
            raise ValueError("the whole window is gathered by its mean: pass learned=False, or an extent in steps")
        self.extent, self.learned, self.reduction = extent, learned, reduction
        self.start(channels)

    @classmethod
    def conformance_params(cls) -> dict[str, object]:
        """What the contract kit may rely on."""
        return {"arguments": {"channels": 16, "extent": 4, "reduction": 4}, "refused": [{"extent": 0}, {"extent": None}]}

    def grow(self, channels: int) -> None:
        self.gather: nn.Module | None = None
        if self.learned and self.extent is not None:
            around = same_conv1d(channels, channels, 2 * self.extent - 1, stride=self.extent, groups=channels)
            self.gather = nn.Sequential(around, nn.BatchNorm1d(channels))
        self.perceptron: nn.Module = nn.Identity()
        if self.reduction is not None:
            hidden = max(1, channels // self.reduction)
            first, last = same_conv1d(channels, hidden, 1, bias=True), same_conv1d(hidden, channels, 1, bias=True)
            self.perceptron = nn.Sequential(first, nn.ReLU(), last)

    def attend(self, x: Tensor) -> Tensor:
        if self.extent is None:
            return x * self.perceptron(x.mean(dim=-1, keepdim=True)).sigmoid()
        if self.gather is not None:
            gathered = self.gather(x)
        else:
            width = 2 * self.extent - 1
            gathered = F.avg_pool1d(x, width, stride=self.extent, padding=width // 2, count_include_pad=False)
        factors = self.perceptron(gathered).sigmoid()
        nearest = torch.arange(x.shape[-1], device=x.device) // self.extent
        return x * factors[..., nearest]
