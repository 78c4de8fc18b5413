"""Layers that learn from their first input how many channels they work on."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from ecg_core.config.configurable import Configurable

__all__ = ["SizedByInput"]


class SizedByInput(Configurable, nn.Module):
    """Base of attention layers: parameters are made once the channels are known, at the latest by the first input.

    A subclass notes its arguments, calls :meth:`start` last in its constructor, makes its parts in :meth:`grow` and applies
    them in :meth:`attend`.

    Shape:
        ``(batch, channels, steps)`` to the same
    """

    channels: int | None = None

    def start(self, channels: int | None) -> None:
        """Make the parts, or wait for the first input where ``channels`` is ``None``."""
        if channels is None:
            self.unsized = nn.UninitializedParameter()
        else:
            self.channels = channels
            self.grow(channels)

    @abstractmethod
    def grow(self, channels: int) -> None:
        """Make the parts for this many channels."""

    @abstractmethod
    def attend(self, x: Tensor) -> Tensor:
        """The layer's output."""

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, steps)``, weighed."""
        if self.channels is None:
            del self.unsized
            self.start(x.shape[1])
            self.to(x.device, x.dtype).train(self.training)
        return self.attend(x)
