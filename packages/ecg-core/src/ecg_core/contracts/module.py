"""A transform as a torch module, so that it can stand in a network and be exported with it."""

from __future__ import annotations

from torch import Tensor, nn

from ecg_core.contracts.transform import Transform

__all__ = ["TransformModule"]


class TransformModule(nn.Module):
    """Applies a transform to ``(batch, leads, samples)`` tensors of a fixed sampling frequency (Hz)."""

    def __init__(self, transform: Transform, fs: float | None = None) -> None:
        super().__init__()
        self.transform = transform
        self.fs = fs

    def forward(self, x: Tensor) -> Tensor:
        """The transformed signal."""
        return self.transform(x, fs=self.fs)
