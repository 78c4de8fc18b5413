"""LSTM layers of different sizes, one on the other, over the steps of a feature map.

Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 1997, doi:10.1162/neco.1997.9.8.1735.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["StackedLSTM"]


class StackedLSTM(nn.Module):
    """Reads the steps in order, or in both directions.

    Args:
        in_channels: Channels of the input.
        hidden: Channels of each layer and direction.
        dropout: Dropout between layers.
        bidirectional: Read backwards too; the channels of both directions stand side by side.
        sequences: Give every step; otherwise the last state of each direction: that of the last step, and, backwards, that of
            the first.

    Shape:
        ``(batch, in_channels, steps)`` to ``(batch, out_channels, steps)``, or to ``(batch, out_channels)``

    Raises:
        ValueError: There is no layer.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: Sequence[int],
        *,
        dropout: float = 0.0,
        bidirectional: bool = True,
        sequences: bool = True,
    ) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("a stack needs at least one layer, got hidden=()")
        directions = 2 if bidirectional else 1
        sizes = [in_channels, *(directions * width for width in hidden)]
        self.layers = nn.ModuleList(
            nn.LSTM(size, width, batch_first=True, bidirectional=bidirectional)
            for size, width in zip(sizes[:-1], hidden, strict=True)
        )
        self.dropout = nn.Dropout(dropout)
        self.sequences = sequences
        self.out_channels = sizes[-1]

    def forward(self, x: Tensor) -> Tensor:
        """The states of the last layer."""
        x = x.transpose(1, 2)  # (batch, steps, channels)
        for number, layer in enumerate(self.layers):
            x, (last, _) = layer(x if number == 0 else self.dropout(x))
        return x.transpose(1, 2) if self.sequences else torch.cat(list(last), dim=1)
