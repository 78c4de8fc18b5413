"""ECGClassifier: an encoder with a head as a scikit-learn classifier, trained by the same loop as ``ecg finetune``."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.lazy import materialize
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.discovery.registries import HEADS
from ecg_core.errors import ConfigError
from ecg_core.estimators.windows import embedded, encoder_for, windows_in
from ecg_core.run.order import Batches
from ecg_core.run.run import Run
from ecg_core.run.settings import Settings
from ecg_core.tasks.classification import ClassificationTask

__all__ = ["ECGClassifier"]

_LINEAR = Recipe(lr=1e-2, lr_batch=0, weight_decay=1e-2, warmup=0.0)
_FULL = Recipe(lr=1e-3, lr_batch=0, weight_decay=0.05, warmup=0.1, clip=1.0)


class _Learner(nn.Module):
    """What the loop trains: layers, and the loss of inputs and targets."""

    def __init__(self, layers: nn.Module, criterion: nn.Module) -> None:
        super().__init__()
        self.layers, self.criterion = layers, criterion

    def loss(self, batch: tuple[Tensor, Tensor]) -> Losses:
        return Losses(self.criterion(self.layers(batch[0]), batch[1]))

    def after_step(self) -> None:
        """Nothing."""


class ECGClassifier(ClassifierMixin, BaseEstimator):
    """Classes of windows ``(windows, leads, samples)`` in mV, or ``(windows, samples)`` of one lead.

    ``y`` names one class per window, or is an indicator matrix ``(windows, classes)`` of any number of them.

    Args:
        source: Pre-training or fine-tuning run, or a card, whose encoder to start from.
        backbone: Name or configuration of a new one, where there is no source.
        mode: ``"full"``: everything learns. ``"linear"``: a linear head on the frozen encoder.
        epochs: ``None`` means 30, and 100 for ``"linear"``.
        batch_size: Windows per step.
        lr: ``None`` means 1e-3, and 1e-2 for ``"linear"``.
        random_state: Of everything random.

    Attributes:
        classes_: Names of the classes, sorted; of an indicator matrix its columns.
        task_: Encoder and head.
        window_shape_: Shape of one window.
    """

    def __init__(
        self,
        source: str | Path | None = None,
        *,
        backbone: str | Mapping[str, Any] = "resnet18",
        mode: Literal["full", "linear"] = "full",
        epochs: int | None = None,
        batch_size: int = 64,
        lr: float | None = None,
        random_state: int = 0,
    ) -> None:
        self.source = source
        self.backbone = backbone
        self.mode = mode
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Train.

        Raises:
            ConfigError: The encoder does not take such windows, or ``mode`` is neither.
            ValueError: Of ``y`` there are not as many as windows, it is no classes, or a single class.
        """
        if self.mode not in ("full", "linear"):
            raise ConfigError(f"mode must be full or linear, got {self.mode!r}")
        windows = windows_in(self, X, reset=True)
        targets, several = self._targets(y, len(windows))
        encoder = encoder_for(windows, self.source, self.backbone, self.random_state)
        linear = self.mode == "linear"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            head = HEADS.build({"name": "linear", "normalise": linear}, classes=targets.shape[1])
            names = [str(name) for name in self.classes_]
            task = ClassificationTask(encoder, head, classes=names, problem="multi_label" if several else "multi_class")
            self.task_ = materialize(task, windows[:2], seed=self.random_state)
            inputs = torch.from_numpy(embedded(encoder, windows, self.batch_size)) if linear else windows
            self._train(self.task_.head if linear else self.task_, inputs, targets)
        self.task_.eval()
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """``(windows, classes)`` float64."""
        check_is_fitted(self)
        windows = windows_in(self, X, reset=False)
        with torch.no_grad():
            parts = [self.task_.probabilities(self.task_(part)) for part in windows.split(self.batch_size)]
        found = torch.cat(parts).double()
        if not self._several:
            found = found / found.sum(dim=1, keepdim=True)  # exactly 1 in float64 too
        return np.asarray(found.numpy())

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each window; of an indicator matrix, what is likelier than not."""
        found = self.predict_proba(X)
        return (found > 0.5).astype(int) if self._several else self.classes_[found.argmax(axis=1)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.classifier_tags.multi_label = True
        return tags

    def _targets(self, y: Any, windows: int) -> tuple[Tensor, bool]:
        """``(windows, classes)`` float32 in {0, 1}, and whether a window may have several."""
        if y is None:
            raise ValueError("ECGClassifier requires y to be passed, but the target y is None")
        labels = np.asarray(y)
        self._several = labels.ndim == 2 and labels.shape[1] > 1
        labels = check_array(labels) if self._several else column_or_1d(labels, warn=True)
        check_classification_targets(labels)
        check_consistent_length(labels, np.empty(windows))
        if self._several:
            self.classes_ = np.arange(labels.shape[1])
            return torch.from_numpy(labels.astype(np.float32)), True
        self.classes_ = unique_labels(labels)
        if len(self.classes_) < 2:
            raise ValueError(f"ECGClassifier needs windows of two classes at least, got one class: {self.classes_[0]}")
        return torch.from_numpy((labels[:, None] == self.classes_[None]).astype(np.float32)), False

    def _train(self, layers: nn.Module | Backbone, inputs: Tensor, targets: Tensor) -> None:
        linear = self.mode == "linear"
        settings = Settings.from_recipe(
            _LINEAR if linear else _FULL,
            lr=self.lr,
            batch_size=self.batch_size,
            epochs=(100 if linear else 30) if self.epochs is None else self.epochs,
            precision="fp32",
            device="cpu",
            seed=self.random_state,
        ).resolved()

        def load(chosen: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
            index = torch.from_numpy(chosen)
            return inputs[index], targets[index]

        batches = Batches(range(len(inputs)), self.batch_size, load, seed=self.random_state)
        with tempfile.TemporaryDirectory() as folder:
            Run(Path(folder), _Learner(layers, self.task_.objective), batches, settings, title="fit", resumable=False).fit()
