"""Per-step head: one score per class and step, from that step's channels and its neighbours."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ecg_core.contracts.head import Head

__all__ = ["PerStepHead"]


class PerStepHead(Head):
    """Dropout, then one convolution that infers its input.

    Args:
        classes: Number of scores.
        kernel_size: Odd kernel length, in steps; 1 scores each step by itself.
        dropout: Probability of zeroing a channel in training, over the whole window.

    Shape:
        ``(batch, channels, steps)`` to ``(batch, classes, steps)``

    Raises:
        ValueError: ``classes`` is below 1, or the kernel is even.
    """

    reads = "features"

    def __init__(self, classes: int, *, kernel_size: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"a head needs at least one class, got {classes}")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"a kernel is an odd number of steps, so that it has a middle, got {kernel_size}")
        self.classes = classes
        self.dropout = nn.Dropout1d(dropout)
        self.conv = nn.LazyConv1d(classes, kernel_size, padding=kernel_size // 2)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"kernel_size": 3}, "refused": [{"classes": 0}, {"classes": 3, "kernel_size": 2}]}

    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``(batch, classes, steps)``."""
        return self.conv(self.dropout(x))
