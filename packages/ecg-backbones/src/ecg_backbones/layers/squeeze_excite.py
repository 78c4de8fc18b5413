"""Squeeze-and-excitation: each channel is scaled by what all channels hold on average over the window.

Hu, Shen, Sun, "Squeeze-and-excitation networks", CVPR 2018, arXiv:1709.01507.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecg_backbones.layers.activations import Activation, activation_layer
from ecg_core.config.configurable import Configurable

__all__ = ["SqueezeExcite"]


class SqueezeExcite(Configurable, nn.Module):
    """Mean over time, two linear layers with a bottleneck, one factor per channel.

    Args:
        channels: Channels of the input.
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
        channels: int,
        *,
        reduction: int = 16,
        hidden: int | None = None,
        activation: Activation = "relu",
        gate: Activation = "sigmoid",
        bias: bool = True,
    ) -> None:
        super().__init__()
        hidden = max(1, channels // reduction) if hidden is None else hidden
        self.squeeze = nn.Linear(channels, hidden, bias=bias)
        self.activation = activation_layer(activation)
        self.excite = nn.Linear(hidden, channels, bias=bias)
        self.gate = activation_layer(gate)

    @classmethod
    def conformance_params(cls) -> dict[str, object]:
        """What the contract kit may rely on."""
        return {"arguments": {"channels": 8, "reduction": 2}, "refused": [{"activation": "rely"}]}

    def forward(self, x: Tensor) -> Tensor:
        """``x``, each channel times its factor."""
        factors = self.gate(self.excite(self.activation(self.squeeze(x.mean(dim=-1)))))
        return x * factors[..., None]
