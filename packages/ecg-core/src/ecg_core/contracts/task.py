"""Task: a backbone with a head that answers a question."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from ecg_core.config.configurable import Configurable
from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.head import Head
from ecg_core.contracts.losses import Losses
from ecg_core.data.batch import Batch

__all__ = ["Task"]


class Task(Configurable, nn.Module):
    """Base of every task."""

    backbone: Backbone
    head: Head
    classes: tuple[str, ...]

    @abstractmethod
    def loss(self, batch: Batch) -> Losses:
        """The training loss of a batch with targets."""

    @abstractmethod
    def predict(self, batch: Batch) -> Tensor:
        """Probabilities, ``(batch, classes)``, of a batch with or without targets."""

    def features(self, x: Tensor) -> Tensor:
        """Feature map of ``(batch, leads, samples)``; explanations look here."""
        return self.backbone.forward_features(x)

    def scores(self, features: Tensor) -> Tensor:
        """Logits from a feature map."""
        return self.head(self.backbone.pool(features) if self.head.reads == "embedding" else features)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of ``(batch, leads, samples)``."""
        return self.scores(self.features(x))

    def after_step(self) -> None:
        """Called after every optimizer step. Nothing by default."""
