"""Head: features into the scores of a task."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from ecg_core.config.configurable import Configurable

__all__ = ["Head"]


class Head(Configurable, nn.Module):
    """Base of every head; its first constructor argument is ``classes``, and it infers the channels it is given.

    ``reads`` says what it takes: ``"embedding"``, the pooled ``(batch, channels)``; ``"features"``, the whole
    ``(batch, channels, steps)``; or ``"intermediates"``, the list of all maps, finest first. ``grid`` says of a per-step head
    on which of the backbone's stages its scores lie: the last, or with all maps at hand a finer one.
    """

    reads: ClassVar[Literal["embedding", "features", "intermediates"]] = "embedding"
    grid: int = -1
    classes: int

    def objective(self) -> nn.Module | None:
        """What is minimised where this head answers, if it brings its own; ``None`` leaves it to the task.

        A loss of ``(logits, targets)`` with a method ``probabilities(logits)``.
        """
        return None

    @abstractmethod
    def forward(self, x: Any) -> Tensor:
        """Logits, ``(batch, classes)`` (or ``(batch, classes, steps)`` of a per-step head)."""
