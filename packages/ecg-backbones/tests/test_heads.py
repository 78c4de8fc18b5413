"""Heads: they infer what they are given and answer with one score per class."""

import copy
import pickle

import pytest
import torch

from ecg_backbones.heads.linear import LinearHead
from ecg_backbones.heads.mlp import MLPHead
from ecg_core.contracts.lazy import materialize
from ecg_core.discovery.registries import HEADS

torch.set_num_threads(1)

each_head = pytest.mark.parametrize("name", ["linear", "mlp"])


@each_head
@pytest.mark.parametrize("channels", [1, 7, 64])
def test_a_head_takes_its_input_size_from_its_first_embedding(name, channels):
    head = HEADS.build(name, classes=3)
    assert tuple(head(torch.randn(2, channels)).shape) == (2, 3)
    with pytest.raises(RuntimeError):
        head(torch.randn(2, channels + 1))


@each_head
def test_a_configuration_and_a_state_make_the_same_head_again(name):
    head = materialize(HEADS.build(name, classes=3, dropout=0.1), torch.zeros(2, 8)).eval()
    config = HEADS.to_config(head)
    assert config == {"name": name, "classes": 3, "dropout": 0.1}
    again = HEADS.build(config).eval()
    again.load_state_dict(head.state_dict())
    x = torch.randn(4, 8)
    assert torch.equal(again(x), head(x))
    for twin in (copy.deepcopy(head), pickle.loads(pickle.dumps(head))):
        assert torch.equal(twin(x), head(x))


@each_head
def test_every_parameter_of_a_head_receives_a_gradient(name):
    head = materialize(HEADS.build(name, classes=3), torch.zeros(2, 8))
    head(torch.randn(4, 8)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in head.parameters())


def test_a_linear_head_is_an_affine_map_of_the_embedding():
    head = materialize(LinearHead(3), torch.zeros(2, 8))
    a, b = torch.randn(2, 5, 8)
    torch.testing.assert_close(head(a + b) + head(torch.zeros(5, 8)), head(a) + head(b))


def test_a_mlp_head_is_not():
    head = materialize(MLPHead(3, hidden=16), torch.zeros(2, 8))
    a, b = torch.randn(2, 5, 8)
    assert not torch.allclose(head(a + b) + head(torch.zeros(5, 8)), head(a) + head(b), atol=1e-3)


def test_dropout_acts_in_training_only():
    for head in (LinearHead(3, dropout=0.5), MLPHead(3, dropout=0.5)):
        x = torch.randn(8, 32)
        head(x)
        assert not torch.equal(head.train()(x), head(x))
        assert torch.equal(head.eval()(x), head(x))


def test_a_head_without_classes_is_an_error():
    with pytest.raises(ValueError, match="at least one class, got 0"):
        LinearHead(0)
    with pytest.raises(ValueError, match="classes=0, hidden=256"):
        MLPHead(0)


@each_head
def test_a_normalising_head_does_not_care_for_the_scale_and_offset_of_its_embeddings(name):
    torch.manual_seed(0)
    x = torch.randn(64, 8)
    head = materialize(HEADS.build(name, classes=3, normalise=True), x).train()
    torch.testing.assert_close(head(1000 * x + 7), head(x), rtol=1e-3, atol=1e-3)
