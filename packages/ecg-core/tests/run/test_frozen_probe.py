"""The linear probe: the backbone is frozen, statistics included, and run once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ecg_core.contracts.head import Head
from ecg_core.contracts.lazy import materialize
from ecg_core.data.store import Store
from ecg_core.run.inference.window_scores import score_windows
from ecg_core.run.training.finetune import build_task
from ecg_core.run.training.probe import FrozenProbe
from ecg_core.tasks.classification import ClassificationTask

CLASSES = ("DOWN", "UP", "WIDE")


class Peak(Head):
    """Reads the whole feature map."""

    reads = "features"

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes, self.linear = classes, nn.LazyLinear(classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.amax(dim=-1))


@pytest.fixture
def task(store: Store) -> ClassificationTask:
    return build_task(store, None, "toy", "toy_head", CLASSES, seed=0)


def _probe(task: ClassificationTask, store: Store) -> FrozenProbe:
    train = store.indices("train")
    return FrozenProbe.of(task, store, _targets(store, train), train, store.indices("val"), device="cpu")


def _targets(store: Store, indices: np.ndarray) -> np.ndarray:
    return store.target_matrix("dx", CLASSES, indices)


def test_training_the_probe_moves_nothing_of_the_backbone(task: ClassificationTask, store: Store) -> None:
    before = {name: t.clone() for name, t in task.backbone.state_dict().items()}
    probe = _probe(task.train(), store).train()
    optimizer = torch.optim.SGD(probe.parameters(), lr=0.1)
    head = task.head.linear.weight.detach().clone()
    for _ in range(3):
        probe.loss(probe.batch(np.arange(8))).total.backward()
        optimizer.step()
        probe.after_step()
    assert all(torch.equal(t, before[name]) for name, t in task.backbone.state_dict().items())  # running statistics too
    assert not torch.equal(task.head.linear.weight, head)
    assert all(p.grad is None for p in task.backbone.parameters())


def test_only_the_head_is_part_of_the_learner(task: ClassificationTask, store: Store) -> None:
    probe = _probe(task, store)
    assert {name for name, _ in probe.named_parameters()} == {"head.linear.weight", "head.linear.bias"}
    probe.train()
    assert not task.backbone.training


@pytest.mark.parametrize("reads", ["embedding", "features"])
def test_loss_and_scores_equal_those_of_the_whole_network(task: ClassificationTask, store: Store, reads: str) -> None:
    if reads == "features":
        task = ClassificationTask(task.backbone, Peak(3), classes=CLASSES)
        materialize(task, torch.zeros(2, 2, 100))
    probe, chosen = _probe(task, store), np.array([3, 0, 7])
    batch = store.batch(store.indices("train")[chosen], target="dx", classes=CLASSES).to("cpu")
    torch.testing.assert_close(probe.loss(probe.batch(chosen)).total, task.eval().loss(batch).total)
    np.testing.assert_allclose(probe.held_out(), score_windows(task, store, store.indices("val")), atol=1e-6)


def test_a_store_without_validation_windows_has_nothing_held_out(task: ClassificationTask, store: Store) -> None:
    nobody, train = np.array([], dtype=np.int64), store.indices("train")
    probe = FrozenProbe.of(task, store, _targets(store, train), train, nobody, device="cpu")
    assert probe.held_out().shape == (0, 3)
