"""Head: features into the scores of a task."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from torch import Tensor, nn

from ecg_core.config.configurable import Configurable

__all__ = ["Head"]


class Head(Configurable, nn.Module):
    """Base of every head; its first constructor argument is ``classes``, and it infers the channels it is given.

    ``reads`` says what it takes: ``"embedding"``, the pooled ``(batch, channels)``, or ``"features"``, the whole
    ``(batch, channels, steps)``.
    """

    reads: ClassVar[Literal["embedding", "features"]] = "embedding"
    classes: int

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Logits, ``(batch, classes)`` (or ``(batch, classes, steps)`` of a per-step head)."""
