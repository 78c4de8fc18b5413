"""Fine-tuning any registered model: the task is chosen by name, and given only the words it was asked with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ecg_core import Backbone, Compose, Head, Task
from ecg_core.data.store import Store
from ecg_core.discovery.registries import MODELS
from ecg_core.errors import UnknownComponentError
from ecg_core.run.load import load
from ecg_core.run.scoring.evaluate import evaluate
from ecg_core.run.training.finetune import build_task


class Squares(Task):
    """Brier score; a model that takes no more than the contract asks for.

    Args:
        backbone: Any backbone.
        head: A head for as many classes.
        classes: Names, in the order of the scores.
        scale: Of the loss.
    """

    def __init__(self, backbone: Backbone, head: Head, *, classes: Sequence[str], scale: float = 1.0) -> None:
        super().__init__()
        self.backbone, self.head, self.classes, self.scale = backbone, head, tuple(classes), scale

    def criterion(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.scale * (logits.float().sigmoid() - targets).square().mean()

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.float().sigmoid()


@pytest.fixture(autouse=True)
def squares():
    with MODELS.isolated():
        MODELS.add(Squares, "squares")
        yield


@pytest.mark.parametrize("mode", ["linear", "full"])
def test_a_registered_model_answers_an_easy_question(finetuned: Callable[..., Path], mode: str) -> None:
    run = finetuned(model={"name": "squares", "scale": 10.0}, mode=mode, epochs=20, lr=0.02)
    found = {result.name: result.auroc.value for result in evaluate(run, repeats=20).per_class}
    assert found["UP"] == found["DOWN"] == 1.0
    task = load(run).module
    assert isinstance(task, Squares)
    assert task.scale == 10.0


def test_the_loss_of_a_task_is_its_criterion_of_its_scores(store: Store) -> None:
    task = build_task(store, None, "toy", "toy_head", ("DOWN", "UP"), model="squares", seed=0).eval()
    batch = store.batch(np.arange(4), target="dx", classes=("DOWN", "UP")).to("cpu")
    probabilities = task.predict(batch)
    expected = ((probabilities.double() - batch.targets.double()) ** 2).mean()
    assert float(task.loss(batch).total.detach()) == pytest.approx(float(expected), rel=1e-6)
    assert not probabilities.requires_grad


def test_only_training_is_augmented(store: Store) -> None:
    task = build_task(store, None, "toy", "toy_head", ("DOWN", "UP"), model="squares", seed=0)
    seen = []

    class Spy(Compose):
        def __call__(self, x, **words):
            seen.append(len(x))
            return x

    task.augment = Spy([])
    batch = store.batch(np.arange(4), target="dx", classes=("DOWN", "UP")).to("cpu")
    task.train().loss(batch)
    assert seen == [4]
    task.eval().loss(batch)
    task.train().predict(batch)
    assert seen == [4]


@pytest.mark.parametrize(("words", "word"), [({"problem": "multi_class"}, "problem"), ({"augment": ["bandpass"]}, "augment")])
def test_a_word_the_model_does_not_take_is_pythons_own_error(store: Store, words: dict, word: str) -> None:
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{word}'"):
        build_task(store, None, "toy", "toy_head", ("DOWN", "UP"), model="squares", seed=0, **words)


def test_an_unknown_model_is_refused_with_a_near_name(store: Store) -> None:
    with pytest.raises(UnknownComponentError, match="no model named 'sqares'. Did you mean 'squares'"):
        build_task(store, None, "toy", "toy_head", ("DOWN", "UP"), model="sqares", seed=0)


def test_the_classifier_stays_what_it_was_when_no_model_is_named(store: Store) -> None:
    named = build_task(store, None, "toy", "toy_head", ("DOWN", "UP"), model="classifier", seed=0)
    unnamed = build_task(store, None, "toy", "toy_head", ("DOWN", "UP"), seed=0)
    assert MODELS.to_config(named) == MODELS.to_config(unnamed)
    assert all(torch.equal(a, b) for a, b in zip(named.parameters(), unnamed.parameters(), strict=True))
