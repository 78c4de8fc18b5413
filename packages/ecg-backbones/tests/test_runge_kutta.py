"""Runge–Kutta networks: the schemes are schemes of their order, and the network is what its scheme says."""

import math

import pytest
import torch
from torch.nn import functional

from ecg_backbones.runge_kutta import ResidualFunction, RungeKuttaBlock, RungeKuttaResNet
from ecg_backbones.tableaux import TABLEAUX, runge_kutta_step

torch.set_num_threads(1)

each_scheme = pytest.mark.parametrize("name", list(TABLEAUX))


@each_scheme
def test_the_weights_of_a_step_sum_to_one_and_every_stage_is_used(name):
    tableau = TABLEAUX[name]
    assert sum(tableau.b) == pytest.approx(1, abs=1e-14)
    assert [len(row) for row in tableau.a] == list(range(1, tableau.stages))
    for stage in range(tableau.stages):
        assert tableau.b[stage] or any(row[stage] for row in tableau.a[stage:])


def test_the_stages_of_rk8_stand_at_the_nodes_of_cooper_and_verner():
    s = math.sqrt(21)
    nodes = (1 / 2, 1 / 2, (7 + s) / 14, (7 + s) / 14, 1 / 2, (7 - s) / 14, (7 - s) / 14, 1 / 2, (7 + s) / 14, 1)
    assert [sum(row) for row in TABLEAUX["rk8"].a] == pytest.approx(nodes, abs=1e-13)
    assert max(abs(w) for row in TABLEAUX["rk8"].a for w in row) < 8


@each_scheme
def test_the_error_falls_with_the_order_of_the_scheme_on_a_nonlinear_equation(name):
    """x' = -x² + x⁴ / 4 + cos x - x, by the same code that a block runs, against very small steps of the best scheme."""

    def slope(x):
        return -x * x + x**4 / 4 + math.cos(x) - x

    def end(tableau, steps):
        x = 1.4
        for _ in range(steps):
            x = runge_kutta_step(tableau, [slope] * tableau.stages, x, step_size=1.2 / steps)
        return x

    truth = end(TABLEAUX["rk8"], 64)
    coarse, fine = (4, 8) if name == "rk8" else (8, 16)
    order = math.log2(abs(end(TABLEAUX[name], coarse) - truth) / abs(end(TABLEAUX[name], fine) - truth))
    assert order == pytest.approx(TABLEAUX[name].order, abs=0.7)


def test_euler_is_the_pre_activation_resnet_to_the_last_bit():
    """Against a pre-activation network written out here, with the same weights."""
    torch.manual_seed(0)
    model = RungeKuttaResNet(2, scheme="euler", widths=(4, 6), depths=(2, 2), kernel_size=3, stem_kernel_size=5).eval()
    x = torch.randn(2, 2, 130)
    y = model.stem(x)
    for stage in model.blocks:
        for block in stage:
            f = block.functions[0]
            shortcut = y[..., :: block.stride]
            if f.conv2.out_channels > y.shape[1]:
                shortcut = torch.cat([shortcut, torch.zeros(2, f.conv2.out_channels - y.shape[1], shortcut.shape[-1])], dim=1)
            h = functional.relu(f.norm1(y))
            y = shortcut + f.conv2(functional.relu(f.norm2(f.conv1(h))))
    assert torch.equal(model(x), functional.relu(model.norm(y)))


def test_schemes_of_equal_depth_have_equal_parameters():
    """4n Euler blocks, 2n midpoint blocks, n blocks of fourth order."""
    counts = {
        sum(p.numel() for p in RungeKuttaResNet(12, scheme=scheme, depths=(blocks,) * 3).parameters())
        for scheme, blocks in (("euler", 4), ("midpoint", 2), ("heun", 2), ("rk4", 1))
    }
    assert len(counts) == 1


@each_scheme
def test_a_block_of_functions_that_are_zero_is_the_identity(name):
    block = RungeKuttaBlock(TABLEAUX[name], 5, 5, kernel_size=3).eval()
    for function in block.functions:
        torch.nn.init.zeros_(function.conv2.weight)
    x = torch.randn(2, 5, 40)
    assert torch.equal(block(x), x)


@each_scheme
def test_every_function_of_a_block_has_its_own_weights_and_statistics_and_learns(name):
    block = RungeKuttaBlock(TABLEAUX[name], 3, 6, kernel_size=3, stride=2)
    assert len(block.functions) == TABLEAUX[name].stages
    block(torch.randn(4, 3, 41)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in block.parameters())
    assert len({id(f.norm2.running_mean) for f in block.functions}) == TABLEAUX[name].stages


def test_a_small_step_changes_little():
    torch.manual_seed(0)
    block, x = RungeKuttaBlock(TABLEAUX["rk4"], 4, 4, kernel_size=3, step_size=1e-4).eval(), torch.randn(1, 4, 60)
    assert 0 < (block(x) - x).abs().max() < 1e-2


def test_rk4_is_its_formula():
    torch.manual_seed(0)
    block, x = RungeKuttaBlock(TABLEAUX["rk4"], 4, 4, kernel_size=3).eval(), torch.randn(1, 4, 60)
    f1, f2, f3, f4 = block.functions
    k1 = f1(x)
    k2 = f2(x + k1 / 2)
    k3 = f3(x + k2 / 2)
    k4 = f4(x + k3)
    torch.testing.assert_close(block(x), x + (k1 + 2 * k2 + 2 * k3 + k4) / 6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"scheme": "rk3"}, "scheme must be one of euler, midpoint, heun, rk4, rk8, got 'rk3'"),
        ({"widths": (8, 4), "depths": (1, 1)}, "widths must not fall"),
        ({"depths": (1,)}, "each stage needs a width and a depth"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(words, message):
    with pytest.raises(ValueError, match=message):
        RungeKuttaResNet(2, **words)


def test_a_residual_function_keeps_its_promise_of_steps():
    f = ResidualFunction(3, 5, kernel_size=5, stride=2)
    assert tuple(f(torch.randn(1, 3, 33)).shape) == (1, 5, 17)
