"""Stacked LSTMs against torch's own, attentive pooling against its formula."""

import pytest
import torch
from torch import nn

from ecg_backbones.heads.attentive import AttentiveHead
from ecg_backbones.layers.attentive_pooling import AttentivePooling
from ecg_backbones.layers.stacked_lstm import StackedLSTM
from ecg_core.discovery.registries import HEADS

torch.set_num_threads(1)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_equal_layers_are_the_stacked_lstm_of_torch(bidirectional):
    ours = StackedLSTM(5, (4, 4), bidirectional=bidirectional)
    torchs = nn.LSTM(5, 4, num_layers=2, batch_first=True, bidirectional=bidirectional)
    for number, layer in enumerate(ours.layers):
        for name, weight in layer.named_parameters():
            torchs.get_parameter(name.replace("l0", f"l{number}")).data.copy_(weight)
    x = torch.randn(2, 5, 9)
    expected, (states, _) = torchs(x.transpose(1, 2))
    torch.testing.assert_close(ours(x), expected.transpose(1, 2))
    assert ours.out_channels == ours(x).shape[1]
    ours.sequences = False
    torch.testing.assert_close(ours(x), states[-2 if bidirectional else -1 :].transpose(0, 1).flatten(1))


def test_a_stack_may_have_layers_of_different_sizes():
    assert StackedLSTM(5, (4, 6, 3))(torch.randn(2, 5, 9)).shape == (2, 6, 9)
    assert StackedLSTM(5, (4, 6), bidirectional=False, sequences=False)(torch.randn(2, 5, 9)).shape == (2, 6)


def test_one_direction_does_not_look_ahead():
    layer, x = StackedLSTM(3, (4, 4), bidirectional=False), torch.randn(1, 3, 9)
    later = x.clone()
    later[..., 6:] += 1
    assert torch.equal(layer(later)[..., :6], layer(x)[..., :6])
    assert not torch.equal(StackedLSTM(3, (4,))(later)[..., :6], StackedLSTM(3, (4,))(x)[..., :6])


def test_dropout_stands_between_layers_and_in_training_only():
    layer, x = StackedLSTM(3, (4, 4), dropout=0.5), torch.randn(4, 3, 9)
    assert not torch.equal(layer(x), layer(x))
    assert torch.equal(layer.eval()(x), layer(x))
    alone = StackedLSTM(3, (4,), dropout=0.5)
    assert torch.equal(alone(x), alone(x))


def test_a_stack_without_layers_is_an_error():
    with pytest.raises(ValueError, match=r"at least one layer, got hidden=\(\)"):
        StackedLSTM(3, ())


def test_attentive_pooling_is_its_formula():
    pool, x = AttentivePooling(hidden=3), torch.randn(2, 5, 9)
    found = pool(x)
    for row, one in enumerate(x):
        scores = [pool.score.weight[0] @ (pool.hidden.weight @ one[:, t] + pool.hidden.bias).tanh() for t in range(9)]
        expected = sum(w * one[:, t] for t, w in enumerate(torch.softmax(torch.stack(scores), 0)))
        torch.testing.assert_close(found[row], expected)


def test_attentive_pooling_without_preference_is_the_mean():
    pool, x = AttentivePooling(), torch.randn(2, 5, 9)
    pool(x)
    nn.init.zeros_(pool.score.weight)
    torch.testing.assert_close(pool(x), x.mean(-1))


def test_the_attentive_head_scores_the_pooled_steps():
    head, x = HEADS.build("attention_pooling", classes=3, hidden=4), torch.randn(2, 5, 9)
    scores = head(x)
    torch.testing.assert_close(scores, head.linear(head.pool(x)))
    with pytest.raises(ValueError, match="classes=0, hidden=64"):
        AttentiveHead(0)
