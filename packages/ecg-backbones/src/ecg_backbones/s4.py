"""S4: layers of diagonal state spaces, which carry every sample of the window to every step.

Gu, Gupta, Goel, Ré, "On the parameterization and initialization of diagonal state space models", NeurIPS 2022,
arXiv:2206.11893 (the layer, S4D); Mehari, Strodthoff, "Advancing the state of the art for ECG analysis through structured state
space models", arXiv:2211.07579 (the network: four layers of 512 channels and 8 states each, in both directions, at 100 Hz).

Differs from the network of the latter: its layers are S4, whose state matrix is diagonal but for a term of rank one; ours are
S4D, its successor without that term. Both directions see the present sample.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.layers.convolution import same_conv1d
from ecg_backbones.layers.state_space import DiagonalStateSpace
from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.layers.transformer import DropPath

__all__ = ["S4", "S4Layer"]


class S4Layer(nn.Module):
    """A state space, a gated mixture of the channels at each step, the input added, and a normalisation of each step.

    Args:
        channels: Channels of input and output.
        states: States of each channel, even.
        bidirectional: Whether a step sees what follows it.
        dropout: Probability of zeroing a channel of a window in training.
        drop_path: Probability that a window skips the layer in training.
        time_scale: Multiplies the time steps of the state space.

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    def __init__(
        self, channels: int, *, states: int, bidirectional: bool, dropout: float, drop_path: float, time_scale: float
    ) -> None:
        super().__init__()
        self.state_space = DiagonalStateSpace(channels, states=states, bidirectional=bidirectional, time_scale=time_scale)
        self.mix = same_conv1d(channels, 2 * channels, 1, bias=True)
        self.norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout1d(dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output."""
        y = self.dropout(F.gelu(self.state_space(x))).to(x.dtype)
        y = self.dropout(F.glu(self.mix(y), dim=1))
        return self.norm((x + self.drop_path(y)).transpose(1, 2)).transpose(1, 2)


class S4(Backbone):
    """A mixture of the leads at each sample, then layers of state spaces; the steps are the samples.

    The weights know no length: a window may be longer than those of training.

    Args:
        in_leads: Leads of the input ECG; ``None`` infers it from the first batch.
        width: Channels.
        depth: Layers.
        states: States of each channel, even.
        bidirectional: Whether a step sees what follows it; without, the backbone is causal.
        dropout: Probability of zeroing a channel of a window in training.
        drop_path: Probability that a window skips the last layer in training; it grows linearly from the first.
        kernel_scale: ``fs`` over the 100 Hz it was published for; keeps what the layers respond to as it is in seconds.

    Shape:
        - input: ``(batch, in_leads, samples)``
        - features: ``(batch, width, samples)``

    Raises:
        ValueError: There is no layer, ``states`` is not a positive even number, or ``kernel_scale`` is not positive.
    """

    papers: ClassVar[tuple[str, ...]] = ("arXiv:2206.11893", "arXiv:2211.07579")

    def __init__(
        self,
        in_leads: int | None = None,
        *,
        width: int = 512,
        depth: int = 4,
        states: int = 8,
        bidirectional: bool = True,
        dropout: float = 0.2,
        drop_path: float = 0.0,
        kernel_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"an S4 needs at least one layer, got depth={depth}")
        if kernel_scale <= 0:
            raise ValueError(f"kernel_scale is fs / 100 Hz, a positive number, got {kernel_scale}")
        self.encoder = same_conv1d(in_leads, width, 1, bias=True)
        self.layers = nn.ModuleList(
            S4Layer(
                width,
                states=states,
                bidirectional=bidirectional,
                dropout=dropout,
                drop_path=drop_path * number / max(depth - 1, 1),
                time_scale=1.0 / kernel_scale,
            )
            for number in range(depth)
        )
        self.stages = tuple(Stage(width, 1) for _ in range(depth))

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        refused = [{"depth": 0}, {"states": 3}, {"states": 0}, {"kernel_scale": 0.0}]
        return {"arguments": {"width": 6, "depth": 2, "states": 4}, "leads": 3, "samples": 100, "refused": refused}

    @property
    def in_leads(self) -> int | None:  # type: ignore[override]
        """Leads of the first convolution; ``None`` before the first batch of a lazy one."""
        return self.encoder.known_channels

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        """The map behind each layer, ``(batch, width, samples)``."""
        self.check_input(x)
        x = self.encoder(x)
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return features
