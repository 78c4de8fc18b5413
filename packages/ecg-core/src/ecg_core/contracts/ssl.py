"""SSLMethod: teaches a backbone without labels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import nn

from ecg_core.config.configurable import Configurable
from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.grouping import Grouping
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.data.batch import Batch

__all__ = ["SSLMethod"]


class SSLMethod(Configurable, nn.Module):
    """Base of every self-supervised method. ``backbone``, the first constructor argument, is the product.

    Randomness comes from ``batch.draws(salt)`` only, so that a loss is a pure function of the weights, the batch, the
    seed and the epoch.
    """

    backbone: Backbone
    requires: ClassVar[frozenset[str]] = frozenset()
    """Fields of :class:`Batch` the method needs beyond the signal, such as ``{"patient"}``; checked before training."""
    grouping: ClassVar[Grouping | None] = None
    """Windows of one patient that must stand together in every batch; a run orders its batches so, the same at every resumption
    and in every process, and refuses data in which no patient has so many. ``None`` shuffles windows alone."""
    recipe: ClassVar[Recipe] = Recipe()
    """How the paper trains it."""

    @property
    def product(self) -> Backbone:
        """What is kept after the training: ``backbone``, unless the method's teacher is the better encoder."""
        return self.backbone

    @abstractmethod
    def loss(self, batch: Batch) -> Losses:
        """The training loss of one batch."""

    def plan(self, steps: int) -> None:
        """Told once, before training, how many optimizer steps there will be: for schedules. Nothing by default."""

    def after_step(self) -> None:
        """Called after every optimizer step: momentum encoders, queues. Nothing by default."""

    def gauges(self) -> Mapping[str, float]:
        """Numbers of the method's own that are logged after every epoch, such as how far a teacher is from its student."""
        return {}

    def check_requirements(self, batch: Batch) -> None:
        """One clear error for a batch that lacks what the method needs.

        Raises:
            ValueError: A required field is empty.
        """
        missing = sorted(name for name in self.requires if not batch.has(name))
        if missing:
            raise ValueError(
                f"{type(self).__name__} needs {', '.join(missing)} in every batch; prepare the data with it (e.g. --patient)"
            )
