"""Task: a backbone with a head that answers a question."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ecg_core.config.configurable import Configurable
from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.head import Head
from ecg_core.contracts.losses import Losses
from ecg_core.data.batch import Batch
from ecg_core.errors import ConfigError, DataError

__all__ = ["CropAnswer", "Task"]

CropAnswer = Literal["mean", "max"]
"""How the answers for parts of a recording become one."""


class Task(Configurable, nn.Module):
    """Base of every task. A subclass says what a good answer is: :meth:`criterion` and :meth:`probabilities`.

    Its constructor takes ``(backbone, head, *, classes, …)`` and keeps each under its name, ``classes`` as a tuple, which is
    what :meth:`take_parts` does; the head was built for ``len(classes)`` scores. Whatever follows has a default, and so have
    backbone and head of a model that is published as a whole. A task that may be trained with augmentations takes
    ``augment``, a :class:`Compose` or ``None``, and keeps it too. A task that answers for every sample says so by
    ``per_step``; it learns from the batch's ``step_targets``. A task that answers with amounts and not with probabilities says so
    by ``numbers``; its :meth:`probabilities` are then numbers in the unit of the targets. A task that was trained on crops has
    their length in ``crop_samples``: of a longer window :meth:`predict` gives the mean over ``crops`` of them, or with
    ``crop_answer="max"`` the largest of their answers, class by class.
    """

    per_step: bool = False
    numbers: bool = False
    crop_samples: int | None = None
    crops: int = 1
    crop_answer: CropAnswer = "mean"
    backbone: Backbone
    head: Head
    classes: tuple[str, ...]
    augment: Compose | None = None

    @abstractmethod
    def criterion(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of ``(batch, classes)`` logits and targets in {0, 1}: a scalar, in fp32 whatever autocast says.

        Per step: of ``(batch, classes, samples)`` logits and of targets like these, or ``(batch, samples)`` class numbers.
        """

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits as probabilities."""

    def loss(self, batch: Batch) -> Losses:
        """The training loss of a batch with targets; augmented in training."""
        if self.training and self.augment is not None:
            batch = self.augment(batch)
        wanted = "step_targets" if self.per_step else "targets"
        if not batch.has(wanted):
            raise DataError(f"{type(self).__name__} learns from {wanted}, which the batch does not have; give it labels")
        return Losses(self.criterion(self(batch.signal), getattr(batch, wanted)))

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        """Probabilities, ``(batch, classes)`` or per step ``(batch, classes, samples)``, with or without targets."""
        x = batch.signal
        if self.crop_samples is None or x.shape[-1] <= self.crop_samples:
            return self.probabilities(self(x))
        latest, length = x.shape[-1] - self.crop_samples, self.crop_samples
        starts = [latest // 2] if self.crops == 1 else [round(latest * i / (self.crops - 1)) for i in range(self.crops)]
        answers = torch.stack([self.probabilities(self(x[..., start : start + length])) for start in starts])
        return answers.amax(dim=0) if self.crop_answer == "max" else answers.mean(dim=0)

    def take_parts(
        self, backbone: Backbone | Callable[..., Backbone], head: Head | Callable[..., Head], classes: Sequence[str]
    ) -> None:
        """Keep backbone, head and classes; make what comes as a class or a variant.

        Raises:
            ConfigError: The head was built for another number of classes.
        """
        made = head if isinstance(head, Head) else head(classes=len(classes))
        if made.classes != len(classes):
            raise ConfigError(
                f"the head gives {made.classes} scores for {len(classes)} classes; build it with classes={len(classes)}"
            )
        self.backbone = backbone if isinstance(backbone, Backbone) else backbone()
        self.head = made
        self.classes = tuple(classes)

    def features(self, x: Tensor) -> Any:
        """What the head reads of ``(batch, leads, samples)`` before pooling, a feature map; explanations look here.

        A head that reads all maps gets the list of them.
        """
        if self.head.reads == "intermediates":
            return self.backbone.forward_intermediates(x)
        return self.backbone.forward_features(x)

    def scores(self, features: Any) -> Tensor:
        """Logits from what :meth:`features` gives."""
        return self.head(self.backbone.pool(features) if self.head.reads == "embedding" else features)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of ``(batch, leads, samples)``."""
        return self.scores(self.features(x))

    def after_step(self) -> None:
        """Called after every optimizer step. Nothing by default."""
