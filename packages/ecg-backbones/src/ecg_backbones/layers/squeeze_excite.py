"""Squeeze-and-excitation: each channel is scaled by what all channels hold on average over the window.

Hu, Shen, Sun, "Squeeze-and-excitation networks", CVPR 2018, arXiv:1709.01507.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecg_backbones.layers.activations import Activation, activation_layer
from ecg_backbones.layers.sized import SizedByInput

__all__ = ["SqueezeExcite"]


class SqueezeExcite(SizedByInput):
    """Mean over time, two linear layers with a bottleneck, one factor per channel.

    Args:
        channels: Channels of the input; ``None`` takes them from the first input.
        reduction: Channels per hidden channel.
        hidden: Hidden channels; ``None`` means ``max(1, channels // reduction)``.
        activation: Between the two linear layers.
        gate: What bounds the factors.
        bias: Whether the linear layers add biases.

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    def __init__(
        self,
        channels: int | None = None,
        *,
        reduction: int = 16,
        hidden: int | None = None,
        activation: Activation = "relu",
        gate: Activation = "sigmoid",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.reduction, self.hidden, self.bias = reduction, hidden, bias
        self.activation = activation_layer(activation)
        self.gate = activation_layer(gate)
        self.start(channels)

    @classmethod
    def conformance_params(cls) -> dict[str, object]:
        """What the contract kit may rely on."""
        return {"arguments": {"channels": 16, "reduction": 2}, "refused": [{"activation": "rely"}]}

    def grow(self, channels: int) -> None:
        hidden = max(1, channels // self.reduction) if self.hidden is None else self.hidden
        self.squeeze = nn.Linear(channels, hidden, bias=self.bias)
        self.excite = nn.Linear(hidden, channels, bias=self.bias)

    def attend(self, x: Tensor) -> Tensor:
        """``x``, each channel times its factor."""
        factors = self.gate(self.excite(self.activation(self.squeeze(x.mean(dim=-1)))))
        return x * factors[..., None]
