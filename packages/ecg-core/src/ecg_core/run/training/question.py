"""Questions: what a fine-tuning asks of a store, which windows have an answer, and how well answers are judged on the way."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch

from ecg_core.contracts.task import Task
from ecg_core.data.few_labels import draw_fraction, draw_shots
from ecg_core.data.numbers import numbers_of
from ecg_core.data.store import Store
from ecg_core.errors import ConfigError, ContentWarning, DataError
from ecg_core.evaluation.metrics import auroc, macro
from ecg_core.evaluation.regression import mean_absolute_error, r_squared
from ecg_core.run.order import Batches
from ecg_core.tasks.class_weight import ClassWeight
from ecg_core.tasks.objective import Objective
from ecg_core.tasks.regression import RegressionTask

__all__ = ["ClassQuestion", "NumberQuestion", "Problem", "Question"]

Problem = Literal["multi_label", "multi_class", "regression"]


class Question(ABC):
    """A target of a store.

    Attributes:
        classes: Names of the scores.
        train: Windows to learn from.
        val: Windows that decide which epoch is best.
        monitor: Which number of :meth:`measure` does, the larger the better.
        model: Name of the task that answers it, unless another is wanted.
        head: Name of that task's head.
        field: Of a batch, where the targets go.
    """

    classes: tuple[str, ...]
    monitor: str
    model: str = "classifier"
    head: str = "linear"
    field: str = "targets"

    def __init__(self, store: Store, target: str, train: np.ndarray, val: np.ndarray) -> None:
        self.store, self.target, self.train, self.val = store, target, train, val
        if not len(train):
            raise DataError(
                f"the training split of {store.path} has no window with a label for {target!r}; "
                "look at the labels it was prepared with"
            )

    @abstractmethod
    def targets(self, indices: np.ndarray) -> np.ndarray:
        """``(windows, classes)`` float32."""

    @abstractmethod
    def measure(self, answers: np.ndarray) -> Mapping[str, float]:
        """How good the answers to the validation windows are."""

    @abstractmethod
    def prepare(self, task: Task) -> None:
        """Tell a task what it has to know of the training labels before it learns."""

    @abstractmethod
    def examples(self) -> np.ndarray:
        """``(training windows, kinds)``, true where a window is an example of a kind that few labels should keep."""

    def weigh(self, task: Task, kind: ClassWeight | None) -> None:
        """Let rare classes of the training windows count more in what the task minimises; not at all without a kind.

        Raises:
            ConfigError: The task has no cross-entropy of classes.
        """
        if kind is None:
            return
        objective = getattr(task, "objective", None)
        if not isinstance(objective, Objective):
            raise ConfigError(
                f"class_weight weighs the cross-entropy of classes, which {type(task).__name__} with {type(task.head).__name__} "
                "does not minimise; leave it out"
            )
        counts, of = self.counts()
        objective.weigh(kind, counts, of=of)

    def counts(self) -> tuple[np.ndarray, int]:
        """Examples of each kind among what is learned from, and how many there are in all."""
        return self.examples().sum(axis=0), len(self.train)

    def keep_few(self, *, fraction: float | None, shots: int | None, seed: int) -> None:
        """Learn from a share of the patients, or from a few windows of each class."""
        if fraction is not None and shots is not None:
            raise ConfigError("fraction and shots are two ways to have few labels; give one of them")
        rows = self.store.table.iloc[self.train]
        patients = _patients(rows)
        if fraction is not None:
            self.train = self.train[draw_fraction(patients, self.examples(), fraction, seed=seed)]
        if shots is not None:
            windows = [f"{name}#{segment}" for name, segment in zip(rows["record_id"], rows["segment"], strict=True)]
            self.train = self.train[draw_shots(patients, windows, self.examples(), shots, seed=seed)]

    def batches(self, batch_size: int, *, device: str, seed: int) -> Batches:
        """Training batches of tensors with targets, on a device."""

        def load(chosen: np.ndarray, epoch: int) -> Any:
            batch = self.store.batch(chosen, seed=seed, epoch=epoch)
            labels: dict[str, Any] = {self.field: self.targets(chosen)}
            return replace(batch, **labels).to(device)

        return Batches(self.train, batch_size, load, seed=seed)

    def facts(self) -> dict[str, Any]:
        """What it learns from, for the run's facts."""
        patients = len(set(_patients(self.store.table.iloc[self.train])))
        return {"windows": len(self.train), "patients": patients}


class ClassQuestion(Question):
    """Which of the classes of the training split?"""

    monitor = "val_auroc"

    def __init__(self, store: Store, target: str) -> None:
        train, val = store.indices("train", target=target), store.indices("val", target=target)
        super().__init__(store, target, train, val)
        self.classes = store.classes(target)
        if len(self.classes) < 2:
            raise DataError(f"target {target!r} has {len(self.classes)} class(es) in the training split; at least two are needed")
        seen = {name for row in store.table[target].iloc[val] for name in row}
        if unseen := sorted(seen - set(self.classes)):
            warnings.warn(
                f"no training window has the class {', '.join(unseen)} of target {target!r}, so the model cannot answer it, and "
                "validation windows of it count as examples of none; prepare the store with another split or other labels",
                ContentWarning,
                stacklevel=2,
            )

    def prepare(self, task: Task) -> None:
        if task.numbers:
            raise ConfigError(f"{type(task).__name__} answers with numbers, not with classes; use problem=regression")
        if task.per_step:
            every = ", ".join(self.store.step_targets) or "none of this store, whose recordings are not annotated"
            raise ConfigError(
                f"{type(task).__name__} labels every sample, and target {self.target!r} is about whole recordings; choose a "
                f"model of windows, or a target of every sample: {every}"
            )

    def targets(self, indices: np.ndarray) -> np.ndarray:
        return self.store.target_matrix(self.target, self.classes, indices)

    def measure(self, answers: np.ndarray) -> Mapping[str, float]:
        return {"val_auroc": macro(auroc(self.targets(self.val), answers)).value}

    def examples(self) -> np.ndarray:
        return self.targets(self.train) > 0

    def facts(self) -> dict[str, Any]:
        counts, _ = self.counts()
        return {**super().facts(), "examples": dict(zip(self.classes, counts.tolist(), strict=True))}


class NumberQuestion(Question):
    """How much?"""

    monitor = "val_r2"
    model = "regressor"

    def __init__(self, store: Store, target: str) -> None:
        self._numbers = numbers_of(store, target)
        labelled = ~np.isnan(self._numbers)
        train, val = (part[labelled[part]] for part in (store.indices("train"), store.indices("val")))
        super().__init__(store, target, train, val)
        self.classes = (target,)
        if len(np.unique(self._numbers[train])) < 2:
            raise DataError(
                f"target {target!r} is {self._numbers[train][0]:g} in every training window; at least two numbers are needed"
            )

    def targets(self, indices: np.ndarray) -> np.ndarray:
        return self._numbers[indices].astype(np.float32)[:, None]

    def measure(self, answers: np.ndarray) -> Mapping[str, float]:
        truth = self._numbers[self.val]
        return {"val_r2": r_squared(truth, answers[:, 0]), "val_mae": mean_absolute_error(truth, answers[:, 0])}

    def prepare(self, task: Task) -> None:
        if not isinstance(task, RegressionTask):
            raise ConfigError(f"problem=regression needs a model that answers with numbers, and {type(task).__name__} does not")
        task.learn_scale(torch.from_numpy(self.targets(self.train)))

    def examples(self) -> np.ndarray:
        """Fifths of the training labels, so that few of them still span the range."""
        values = self._numbers[self.train]
        edges = np.quantile(values, [0.2, 0.4, 0.6, 0.8])
        return np.searchsorted(edges, values)[:, None] == np.arange(5)


def _patients(rows: Any) -> list[str]:
    """Of each window; a recording of nobody known is a patient of its own."""
    pairs = zip(rows["patient_id"].tolist(), rows["record_id"].tolist(), strict=True)
    return [f"patient {patient}" if isinstance(patient, str) else f"record {record}" for patient, record in pairs]
