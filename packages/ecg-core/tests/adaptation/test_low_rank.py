"""Low-rank adapters: they begin as nothing, learn alone, and merge without a trace."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from ecg_core.adaptation.low_rank import LowRank, add_low_rank, merged, without_low_rank
from ecg_core.errors import ConfigError
from ecg_core.layers.transformer import TransformerBlock


def _filled(module: nn.Module, *, rank: int = 2, alpha: float | None = None) -> nn.Module:
    add_low_rank(module, rank=rank, alpha=alpha)
    torch.manual_seed(3)
    for part in module.modules():
        if isinstance(part, LowRank):
            nn.init.normal_(part.up)
    return module


CASES = {
    "linear": (lambda: nn.Linear(6, 5), (3, 6)),
    "conv": (lambda: nn.Conv1d(4, 6, 5, stride=2, padding=2), (3, 4, 40)),
    "grouped": (lambda: nn.Conv1d(4, 8, 3, groups=2), (3, 4, 40)),
    "depthwise": (lambda: nn.Conv1d(4, 4, 7, groups=4), (3, 4, 40)),
    "attention block": (lambda: TransformerBlock(8, heads=2, head_width=4), (3, 7, 8)),
    "two in a row": (lambda: nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Conv1d(3, 4, 1)), (3, 2, 40)),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    make, shape = CASES[request.param]
    return make().eval(), torch.randn(shape)


def test_at_the_start_nothing_has_changed_by_a_bit(case: tuple[nn.Module, torch.Tensor]) -> None:
    module, x = case
    before = module(x)
    add_low_rank(module, rank=3)
    assert torch.equal(module(x), before)


def test_merged_weights_are_plain_and_give_the_same(case: tuple[nn.Module, torch.Tensor]) -> None:
    module, x = case
    names, classes = list(module.state_dict()), [type(part) for part in module.modules()]
    untouched = module(x)
    adapted = _filled(module)
    expected = adapted(x)
    assert not torch.allclose(expected, untouched, atol=1e-3)
    plain = merged(adapted)
    torch.testing.assert_close(plain(x), expected, rtol=0, atol=1e-5)
    assert sorted(plain.state_dict()) == sorted(names)
    assert [type(part) for part in plain.modules()] == classes
    assert torch.equal(adapted(x), expected)  # what was merged is a copy


def test_only_adapters_can_move(case: tuple[nn.Module, torch.Tensor]) -> None:
    module, x = case
    add_low_rank(module, rank=2)
    trained = {name for name, p in module.named_parameters() if p.requires_grad}
    assert trained
    assert all(name.rpartition(".")[2] in ("down", "up") for name in trained)
    before = {name: t.clone() for name, t in module.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):  # at first `up` is zero, so `down` moves from the second step on
        optimizer.zero_grad()
        module(x).square().sum().backward()
        optimizer.step()
    moved = {name for name, t in module.state_dict().items() if not torch.equal(t, before[name])}
    assert moved == trained


def test_an_adapter_of_a_linear_layer_is_the_papers_formula() -> None:
    """Equation 3: h = W x + (alpha / r) B A x."""
    torch.manual_seed(0)
    layer, x = nn.Linear(6, 5), torch.randn(3, 6)
    weight, bias = layer.weight.detach().clone(), layer.bias
    _filled(layer, rank=2, alpha=6.0)
    part = layer.parametrizations.weight[0]
    torch.testing.assert_close(layer(x), F.linear(x, weight, bias) + 3.0 * (x @ part.down.T @ part.up.T))


def test_an_adapter_of_a_convolution_is_a_thin_one_and_one_of_kernel_one() -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv1d(4, 6, 5, stride=2, dilation=2, padding=3), torch.randn(3, 4, 50)
    plain = layer(x)
    _filled(layer, rank=2)
    part = layer.parametrizations.weight[0]
    thin = F.conv1d(x, part.down.view(2, 4, 5), stride=2, dilation=2, padding=3)
    torch.testing.assert_close(layer(x), plain + F.conv1d(thin, part.up[:, :, None]), atol=1e-5, rtol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 7), st.integers(1, 7))
def test_what_is_added_has_the_rank_or_less(rank: int, inputs: int, outputs: int) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(inputs, outputs)
    before = layer.weight.detach().clone()
    _filled(layer, rank=rank)
    assert int(torch.linalg.matrix_rank(layer.weight - before, atol=1e-4)) <= min(rank, inputs, outputs)
    part = layer.parametrizations.weight[0]
    assert part.down.numel() + part.up.numel() == min(rank, inputs, outputs) * (inputs + outputs)


def test_torchs_own_attention_learns_in_its_fused_projection() -> None:
    torch.manual_seed(0)
    layer, x = nn.MultiheadAttention(8, 2, batch_first=True).eval(), torch.randn(2, 5, 8)
    before = layer(x, x, x)[0]
    assert add_low_rank(layer, rank=2) == 2  # queries, keys and values in one, and the output
    assert torch.equal(layer(x, x, x)[0], before)
    layer(x, x, x)[0].square().sum().backward()
    assert layer.parametrizations.in_proj_weight[0].up.grad.abs().sum() > 0
    _ = merged(layer)(x, x, x)


def test_recurrent_layers_stay_as_they_are_and_are_named() -> None:
    module = nn.Sequential(nn.GRU(3, 4), nn.Linear(4, 2))
    add_low_rank(module, rank=1)
    assert without_low_rank(module) == ["0.weight_ih_l0", "0.weight_hh_l0"]
    assert not module[0].weight_ih_l0.requires_grad


def test_a_weight_that_is_computed_already_gets_no_adapter() -> None:
    module = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)), nn.Linear(4, 2))
    x = torch.randn(2, 3)
    before = module(x)
    assert add_low_rank(module, rank=1) == 1
    torch.testing.assert_close(merged(module)(x), before)


def test_adapters_follow_from_the_seed_and_leave_the_random_state() -> None:
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(5)
        layer = nn.Linear(4, 4)
        state = torch.get_rng_state()
        add_low_rank(layer, rank=2, seed=seed)
        assert torch.equal(torch.get_rng_state(), state)
        return layer.parametrizations.weight[0].down

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_under_autocast_the_weight_is_added_to_in_its_own_precision() -> None:
    layer = _filled(nn.Linear(4, 4))
    expected = layer.weight
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.weight, expected)


def test_a_module_without_adapters_is_merged_already() -> None:
    layer = nn.Linear(2, 2)
    assert merged(layer) is layer


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"rank": 0}, "the rank of low-rank adapters must be at least 1, got 0"),
        ({"rank": 2, "alpha": 0.0}, r"alpha must be a positive number, or None for the rank, got 0\.0"),
    ],
)
def test_ranks_and_scales_that_cannot_be_are_refused(words: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        add_low_rank(nn.Linear(2, 2), **words)


def test_a_network_without_a_layer_to_adapt_is_refused() -> None:
    with pytest.raises(ConfigError, match="LSTM has no linear layer and no convolution .* use mode=partial or mode=full"):
        add_low_rank(nn.LSTM(2, 2), rank=2)
