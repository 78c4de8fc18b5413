"""StepQuestion: what a fine-tuning asks about every sample, of the annotations in a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ecg_core.contracts.task import Task
from ecg_core.data.store import Store
from ecg_core.errors import ConfigError, DataError
from ecg_core.run.training.question import Question

__all__ = ["StepQuestion"]


class StepQuestion(Question):
    """Which wave, beat or rhythm does each sample belong to? The epoch with the best macro F1 over the samples is kept.

    Args:
        store: Annotated.
        target: One of ``store.step_targets``, or ``"waves"``.
    """

    monitor = "val_f1"
    model = "labeller"
    head = "per_step"
    field = "step_targets"

    def __init__(self, store: Store, target: str) -> None:
        steps = store.step_target(target)
        assert steps is not None
        super().__init__(store, steps.name, store.indices("train", target=target), store.indices("val", target=target))
        self.classes = steps.classes
        if len(self.classes) < 2:
            raise DataError(f"target {target!r} has the class {self.classes[0]} and no other; at least two are needed")

    def prepare(self, task: Task) -> None:
        if not task.per_step:
            raise ConfigError(
                f"target {self.target!r} is about every sample, and {type(task).__name__} answers for whole windows; "
                "choose a model of samples, such as labeller or unet"
            )

    def targets(self, indices: np.ndarray) -> np.ndarray:
        """``(windows, samples)`` int64 class numbers, -1 where nothing is known."""
        return self.store.step_matrix(self.target, indices)

    def measure(self, answers: np.ndarray) -> Mapping[str, float]:
        """Of ``(windows, classes, samples)`` probabilities: mean F1 of the classes that occur, and the share that is right."""
        truth, found = self.targets(self.val), answers.argmax(axis=1)
        known = truth >= 0
        classes = len(self.classes)
        confusion = np.bincount(truth[known] * classes + found[known], minlength=classes**2).reshape(classes, classes)
        hits, wanted, given = np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
        scores = 2 * hits[wanted > 0] / (wanted + given)[wanted > 0]
        return {"val_f1": float(scores.mean()), "val_accuracy": float(hits.sum() / wanted.sum())}

    def examples(self) -> np.ndarray:
        labels = self.targets(self.train)
        return np.stack([(labels == number).any(axis=1) for number in range(len(self.classes))], axis=1)

    def counts(self) -> tuple[np.ndarray, int]:
        labels = self.targets(self.train)
        counts = np.bincount(labels[labels >= 0], minlength=len(self.classes))
        return counts, int(counts.sum())

    def facts(self) -> dict[str, Any]:
        counts, _ = self.counts()
        return {**super().facts(), "labelled_samples": dict(zip(self.classes, counts.tolist(), strict=True))}
