"""Task: a backbone with a head that answers a question."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from ecg_core.config.configurable import Configurable
from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.head import Head
from ecg_core.contracts.losses import Losses
from ecg_core.data.batch import Batch

__all__ = ["Task"]


class Task(Configurable, nn.Module):
    """Base of every task. A subclass says what a good answer is: :meth:`criterion` and :meth:`probabilities`.

    Its constructor takes ``(backbone, head, *, classes, …)`` and keeps each under its name, ``classes`` as a tuple; the head
    was built for ``len(classes)`` scores. Whatever follows has a default. A task that may be trained with augmentations
    takes ``augment``, a :class:`Compose` or ``None``, and keeps it too.
    """

    backbone: Backbone
    head: Head
    classes: tuple[str, ...]
    augment: Compose | None = None

    @abstractmethod
    def criterion(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of ``(batch, classes)`` logits and targets in {0, 1}: a scalar, in fp32 whatever autocast says."""

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits as probabilities."""

    def loss(self, batch: Batch) -> Losses:
        """The training loss of a batch with targets; augmented in training."""
        if self.training and self.augment is not None:
            batch = self.augment(batch)
        return Losses(self.criterion(self(batch.signal), batch.targets))

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        """Probabilities, ``(batch, classes)``, of a batch with or without targets."""
        return self.probabilities(self(batch.signal))

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
