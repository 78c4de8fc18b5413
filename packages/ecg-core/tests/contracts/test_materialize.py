"""materialize: shapes and initial values appear, and nothing else changes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from ecg_core.contracts.lazy import is_materialized, materialize  # noqa: E402


class Net(nn.Module):
    """With running statistics, a queue that every call moves, dropout and lazy parts."""

    def __init__(self):
        super().__init__()
        self.stem = nn.LazyConv1d(4, 3)
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.5)
        self.head = nn.LazyLinear(2)
        self.register_buffer("pointer", torch.zeros(1, dtype=torch.long))

    def forward(self, x):
        self.pointer += 1
        return self.head(self.drop(self.norm(self.stem(x))).mean(-1))


def test_every_parameter_gets_its_shape():
    net = Net()
    assert not is_materialized(net)
    assert materialize(net, torch.randn(2, 12, 50)) is net
    assert is_materialized(net)
    assert net.stem.weight.shape == (4, 12, 3)
    assert net.head.weight.shape == (2, 4)


def test_initial_values_follow_the_seed_and_not_the_example_or_the_hour():
    def weights(seed, example):
        torch.rand(7)
        return materialize(Net(), example, seed=seed).stem.weight

    assert torch.equal(weights(1, torch.randn(2, 12, 50)), weights(1, torch.zeros(3, 12, 60)))
    assert not torch.equal(weights(1, torch.randn(2, 12, 50)), weights(2, torch.randn(2, 12, 50)))


def test_the_random_state_buffers_and_modes_are_as_before():
    net = Net()
    net.norm.eval()
    state = torch.random.get_rng_state()
    materialize(net, 5 + torch.randn(2, 12, 50, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert net.pointer.item() == 0
    assert torch.equal(net.norm.running_mean, torch.zeros(4))
    assert (net.training, net.norm.training, net.drop.training) == (True, False, True)
    assert all(p.grad is None for p in net.parameters())


def test_modes_and_buffers_come_back_when_the_dry_run_fails():
    net = Net()
    net.norm.eval()

    def call(x):
        net.pointer += 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        materialize(net, torch.randn(2, 12, 50), call=call)
    assert (net.training, net.norm.training, net.drop.training) == (True, False, True)
    assert net.pointer.item() == 0


def test_another_entrance_can_be_called():
    net = Net()
    materialize(net, 12, call=lambda leads: net(torch.zeros(2, leads, 50)))
    assert is_materialized(net)


def test_what_the_dry_run_does_not_reach_is_named():
    net = Net()
    with pytest.raises(
        RuntimeError, match="the dry run did not reach head.weight, head.bias; every lazy parameter must take part"
    ):
        materialize(net, torch.randn(2, 12, 50), call=lambda x: net.stem(x))
    norm = nn.ModuleDict({"unused": nn.LazyBatchNorm1d(affine=False)})
    with pytest.raises(RuntimeError, match="the dry run did not reach unused.running_mean, unused.running_var"):
        materialize(norm, None, call=lambda _: None)


def test_a_module_without_lazy_parts_is_not_even_called():
    assert materialize(nn.Linear(2, 2), None, call=lambda _: 1 / 0).weight.shape == (2, 2)
