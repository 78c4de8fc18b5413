"""The classifier's criterion against closed forms, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.head import Head
from ecg_core.data.batch import Batch
from ecg_core.errors import ConfigError
from ecg_core.tasks.classification import ClassificationTask


class Identity(Backbone):
    """The signal is the feature map."""

    def __init__(self) -> None:
        super().__init__()
        self.in_leads, self.stages = 2, (Stage(2, 1),)

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        return [x]


class Pass(Head):
    """The embedding is the score."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes, self.scale = classes, nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


class Doubled:
    """Stands for an augmentation."""

    def __call__(self, batch: Batch) -> Batch:
        return batch.with_signal(2 * batch.signal)


def _task(problem: str = "multi_label", **words) -> ClassificationTask:
    return ClassificationTask(Identity(), Pass(2), classes=("A", "B"), problem=problem, **words)


def _batch(*means: tuple[float, float], targets: list[list[float]] | None = None) -> Batch:
    signal = torch.tensor(means)[..., None].expand(-1, -1, 4).contiguous()
    return Batch(signal, fs=100, leads=("I", "II"), targets=None if targets is None else torch.tensor(targets))


def test_multi_label_is_the_mean_binary_cross_entropy() -> None:
    """ln(1 + e^-2) for a positive at logit 2, ln(1 + e^1) for a negative at logit 1; their mean."""
    loss = _task().loss(_batch((2.0, 1.0), targets=[[1.0, 0.0]])).total
    assert float(loss.detach()) == pytest.approx((math.log(1 + math.exp(-2)) + math.log(1 + math.e)) / 2, rel=1e-6)


def test_multi_class_is_the_cross_entropy_of_the_softmax() -> None:
    """-ln(e^2 / (e^2 + e^1)) = ln(1 + e^-1)."""
    loss = _task("multi_class").loss(_batch((2.0, 1.0), targets=[[1.0, 0.0]])).total
    assert float(loss.detach()) == pytest.approx(math.log(1 + math.exp(-1)), rel=1e-6)


def test_multi_class_shares_a_record_with_two_labels_between_them() -> None:
    """Half of ln(1 + e^-1), half of ln(1 + e^1)."""
    loss = _task("multi_class").loss(_batch((2.0, 1.0), targets=[[1.0, 1.0]])).total
    assert float(loss.detach()) == pytest.approx((math.log(1 + math.exp(-1)) + math.log(1 + math.e)) / 2, rel=1e-6)


def test_a_record_without_a_label_adds_nothing_to_multi_class() -> None:
    assert float(_task("multi_class").loss(_batch((2.0, 1.0), targets=[[0.0, 0.0]])).total.detach()) == 0.0


def test_probabilities_are_sigmoids_or_a_softmax() -> None:
    batch = _batch((2.0, 1.0))
    sigmoid = torch.tensor([[1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-1))]])
    torch.testing.assert_close(_task().predict(batch), sigmoid)
    softmax = torch.tensor([[1 / (1 + math.exp(-1)), 1 / (1 + math.e)]])
    torch.testing.assert_close(_task("multi_class").predict(batch), softmax)


@pytest.mark.parametrize("problem", ["multi_label", "multi_class"])
def test_the_criterion_of_half_precision_logits_is_computed_in_full(problem: str) -> None:
    """bf16 keeps three digits; the reference is float64 on the same logits."""
    torch.manual_seed(0)
    half, targets = (5 * torch.randn(64, 2)).to(torch.bfloat16), torch.eye(2).repeat(32, 1)
    loss = _task(problem).criterion(half, targets.to(torch.bfloat16))
    assert loss.dtype == torch.float32
    exact, truth = half.double(), targets.double()
    logs = exact.log_softmax(dim=1) if problem == "multi_class" else (exact * (2 * truth - 1)).sigmoid().log()
    expected = -(truth * logs).sum(dim=1).mean() if problem == "multi_class" else -logs.mean()
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)


def test_only_training_batches_are_augmented() -> None:
    task, batch = _task(), _batch((2.0, 1.0), targets=[[1.0, 0.0]])
    task.augment = Doubled()
    plain = _task()
    doubled = plain.loss(_batch((4.0, 2.0), targets=[[1.0, 0.0]])).total
    assert torch.equal(task.train().loss(batch).total, doubled)
    assert torch.equal(task.eval().loss(batch).total, plain.loss(batch).total)
    assert torch.equal(task.train().predict(batch), plain.predict(batch))


def test_a_head_for_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ConfigError, match="the head gives 3 scores for 2 classes; build it with classes=2"):
        ClassificationTask(Identity(), Pass(3), classes=("A", "B"))


def test_an_unknown_problem_is_refused() -> None:
    with pytest.raises(ConfigError, match="problem must be multi_label or multi_class, got 'binary'"):
        _task("binary")


def test_a_chain_of_augmentations_is_part_of_the_configuration() -> None:
    assert _task(augment=Compose([])).arguments["augment"].to_config() == []


def test_a_chosen_loss_takes_the_place_of_cross_entropy() -> None:
    """Squared distances of 2 and 1 from 1 and 0, and of exclusive classes from targets that sum to 1."""
    batch = _batch((2.0, 1.0), targets=[[1.0, 0.0]])
    assert float(_task(loss_function=nn.MSELoss()).loss(batch).total.detach()) == pytest.approx(1.0)
    both = _batch((0.5, 1.5), targets=[[1.0, 1.0]])
    assert float(_task("multi_class", loss_function=nn.MSELoss()).loss(both).total.detach()) == pytest.approx(0.5)


def test_a_chosen_loss_sees_full_precision_under_autocast() -> None:
    class Watching(nn.Module):
        def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
            self.seen = logits.dtype, targets.dtype, (logits @ targets.T).dtype
            return logits.sum()

    watching = Watching()
    with torch.autocast("cpu", torch.bfloat16):
        _task(loss_function=watching).criterion(torch.zeros(3, 2, dtype=torch.bfloat16), torch.ones(3, 2))
    assert watching.seen == (torch.float32, torch.float32, torch.float32)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (nn.NLLLoss(), r"the loss NLLLoss does not take logits and targets of shape \(1, 2\) \(.+\); choose another"),
        (nn.MSELoss(reduction="none"), r"the loss MSELoss gives shape \(1, 2\) instead of a scalar; leave its reduction"),
        (nn.TripletMarginLoss(), r"the loss TripletMarginLoss does not take"),
    ],
)
def test_a_loss_that_does_not_fit_is_named(loss: nn.Module, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _task(loss_function=loss).loss(_batch((2.0, 1.0), targets=[[1.0, 0.0]]))
