"""Diagonal state spaces: the kernel against the recurrence, causality, any length, and graphs."""

import math

import pytest
import torch

from ecg_backbones.layers.state_space import DiagonalStateSpace
from ecg_backbones.s4 import S4

torch.set_num_threads(1)

DOUBLE = torch.float64


def layer(channels=3, seed=0, **words):
    torch.manual_seed(seed)
    made = DiagonalStateSpace(channels, **{"states": 8, "step_range": (0.01, 0.5), **words}).double()
    with torch.no_grad():  # away from the initial values, where all decay alike
        made.log_decay.add_(torch.randn_like(made.log_decay))
        made.frequency.add_(torch.randn_like(made.frequency))
    return made


def state_matrix(made):
    """The diagonal of A, one row for each channel."""
    return torch.complex(-made.log_decay.exp(), made.frequency).unflatten(0, (len(made.skip), -1))


def small(in_leads=2, **words):
    torch.manual_seed(0)
    return S4(in_leads, **{"width": 6, "depth": 2, "states": 4, **words}).eval()


def step_by_step(made, u, direction=0):
    """``x[t] = exp(A dt) x[t-1] + (exp(A dt) - 1) / A u[t]`` and ``y[t] = 2 Re(C x[t])``, by complex numbers."""
    a = state_matrix(made)
    z = torch.exp(a * made.time_scale * made.log_step.exp()[:, None])
    held = (z - 1) / a
    c = torch.view_as_complex(made.readout[direction].contiguous())
    state = torch.zeros(u.shape[0], *a.shape, dtype=a.dtype)
    out = []
    for sample in u.unbind(-1):
        state = z * state + held * sample[..., None]
        out.append(2 * (c * state).sum(dim=-1).real)
    return torch.stack(out, dim=-1)


@pytest.mark.parametrize("steps", [1, 63, 64, 65, 200])
def test_the_convolution_is_the_recurrence_step_by_step(steps):
    made, u = layer(bidirectional=False), torch.randn(2, 3, steps, dtype=DOUBLE)
    with torch.no_grad():
        torch.testing.assert_close(made(u), step_by_step(made, u) + made.skip[:, None] * u, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 64, 150])
def test_both_directions_are_one_recurrence_from_each_end(steps):
    made, u = layer(), torch.randn(2, 3, steps, dtype=DOUBLE)
    with torch.no_grad():
        backwards = step_by_step(made, u.flip(-1), direction=1).flip(-1)
        torch.testing.assert_close(made(u), step_by_step(made, u) + backwards + made.skip[:, None] * u, rtol=1e-5, atol=1e-5)


def test_the_kernel_is_the_vandermonde_product():
    made = layer(1, states=4, bidirectional=False)
    with torch.no_grad():
        kernel = made.kernel(130)[0, 0]
        a = state_matrix(made)[0]
        dt = made.log_step.exp()
        c = torch.view_as_complex(made.readout[0, 0].contiguous())
        powers = torch.exp(a * dt)[:, None] ** torch.arange(130)
        torch.testing.assert_close(kernel, 2 * ((c * (torch.exp(a * dt) - 1) / a) @ powers).real)


def test_short_time_steps_lose_nothing_in_single_precision():
    torch.manual_seed(0)
    single = DiagonalStateSpace(16, states=8, step_range=(1e-5, 1e-4))
    double = DiagonalStateSpace(16, states=8).double()
    double.load_state_dict(single.state_dict())
    with torch.no_grad():
        error = (single.kernel(1000).double() - double.kernel(1000)).norm(dim=2) / double.kernel(1000).norm(dim=2)
    assert error.max() < 5e-6


def test_a_constant_input_settles_at_the_steady_state_of_the_continuous_system():
    made = layer(1, bidirectional=False, step_range=(0.5, 0.5))
    with torch.no_grad():
        a = state_matrix(made)
        c = torch.view_as_complex(made.readout[0].contiguous())
        steady = 2 * (-c / a).sum().real + made.skip[0]
        y = made(torch.ones(1, 1, 3000, dtype=DOUBLE))
        torch.testing.assert_close(y[0, 0, -1], steady)


def test_initial_values_are_those_of_s4d_lin():
    torch.manual_seed(0)
    made = DiagonalStateSpace(4000, states=6)
    expected = torch.complex(torch.full((4000, 3), -0.5), (math.pi * torch.arange(3.0)).expand(4000, 3))
    torch.testing.assert_close(state_matrix(made), expected)
    steps = made.log_step.exp()
    assert (steps >= 1e-3).all()
    assert (steps <= 0.1).all()
    assert steps.log().mean().item() == pytest.approx(math.log(1e-2), abs=0.1)  # log-uniform: the middle of the exponents
    assert made.readout.square().sum(dim=-1).mean().item() == pytest.approx(1.0, abs=0.02)


def test_without_the_way_back_no_step_sees_what_follows_it():
    model, x = small(bidirectional=False).double(), torch.randn(1, 2, 150, dtype=DOUBLE)
    changed = x.clone()
    changed[..., 100:] += 5.0
    difference = (model(changed) - model(x)).abs().amax(dim=1)[0]
    assert difference[:100].max() < 1e-12
    assert (difference[100:] > 1e-6).all()


def test_with_it_the_first_step_sees_the_last_and_the_last_the_first():
    model, x = small().double(), torch.randn(1, 2, 150, dtype=DOUBLE, requires_grad=True)
    for step in (0, 149):
        (gradient,) = torch.autograd.grad(model(x)[0, 0, step], x, retain_graph=True)
        assert (gradient.abs().amax(dim=1)[0] > 0).all()


def test_after_silence_a_state_space_responds_as_from_the_start_only_later():
    made, u = layer(), torch.randn(1, 3, 120, dtype=DOUBLE)
    for quiet in (1, 50, 64):
        later = made(torch.nn.functional.pad(u, (quiet, 0)))
        torch.testing.assert_close(later[..., quiet:], made(u))


def test_a_longer_window_has_the_same_beginning():
    model, x = small(bidirectional=False).double(), torch.randn(1, 2, 1000, dtype=DOUBLE)
    for samples in (1, 64, 129, 777):
        torch.testing.assert_close(model(x[..., :samples]), model(x)[..., :samples])


def test_features_depend_on_the_order_of_the_samples():
    model, x = small(), torch.randn(1, 2, 100)
    shuffled = x[..., torch.randperm(100, generator=torch.Generator().manual_seed(0))]
    assert not torch.allclose(model(x).mean(-1), model(shuffled).mean(-1), atol=1e-3)


def test_at_twice_the_frequency_a_slow_signal_gives_the_same_features():
    torch.manual_seed(1)
    slow = small(1, bidirectional=False).double()
    fast = small(1, bidirectional=False, kernel_scale=2.0).double()
    fast.load_state_dict(slow.state_dict())
    t = torch.arange(4000, dtype=DOUBLE) / 2000
    x = torch.sin(2 * math.pi * 1.5 * t)[None, None]
    twice, once = fast(x)[..., ::2], slow(x[..., ::2])
    assert (twice - once).norm() < 0.02 * once.norm()
    plain = small(1, bidirectional=False).double()
    assert (plain(x)[..., ::2] - once).norm() > 0.1 * once.norm()


def test_the_parameters_are_counted_by_hand():
    with torch.device("meta"):
        model = S4(12)
    space = 512 + 512 * 4 + 512 * 4 + 2 * 512 * 4 * 2 + 512  # time step, decay, frequency, C of two directions, D
    per_layer = space + (512 * 1024 + 1024) + 2 * 512
    assert sum(p.numel() for p in model.parameters()) == 12 * 512 + 512 + 4 * per_layer


def test_what_shapes_the_oscillations_is_stored_as_vectors_so_that_weight_decay_leaves_it_alone():
    vectors = {name for name, p in DiagonalStateSpace(3, states=8).named_parameters() if p.ndim == 1}
    assert vectors == {"log_step", "log_decay", "frequency", "skip"}


def test_half_precision_around_it_leaves_the_kernel_alone():
    made, x = layer().float(), torch.randn(2, 3, 200)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        inside = made(x)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, made(x))


def test_it_is_one_graph_for_the_compiler_and_for_the_exporter_of_any_length():
    model, x = small(), torch.randn(2, 2, 200)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="eager")(x), model(x))
    dims = {0: torch.export.Dim("batch", max=64), 2: torch.export.Dim("samples", min=2, max=100_000)}
    program = torch.export.export(model, (x,), dynamic_shapes=(dims,)).module()
    for batch, samples in ((1, 2), (3, 64), (2, 1001)):
        x = torch.randn(batch, 2, samples)
        torch.testing.assert_close(program(x), model(x))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: S4(1, depth=0), "at least one layer, got depth=0"),
        (lambda: S4(1, states=5), "a positive even number of them, got 5"),
        (lambda: S4(1, kernel_scale=0), "a positive number, got 0"),
        (lambda: DiagonalStateSpace(2, step_range=(0.2, 0.1)), r"0 < shortest <= longest and time_scale > 0, got \(0.2, 0.1\)"),
        (lambda: DiagonalStateSpace(2, time_scale=0.0), "got .* and 0.0"),
    ],
)
def test_wrong_arguments_are_named(act, message):
    with pytest.raises(ValueError, match=message):
        act()
