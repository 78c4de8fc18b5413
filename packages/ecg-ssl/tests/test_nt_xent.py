"""NT-Xent in closed form, against reference values, and as a function."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ecg_ssl.objectives.nt_xent as module
from ecg_ssl.objectives.nt_xent import nt_xent


def pair(windows=6, width=12, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, windows, width, generator=generator, dtype=dtype).requires_grad_(True).unbind(0)


def by_definition(z_a, z_b, temperature):
    z = torch.nn.functional.normalize(torch.cat([z_a, z_b]), dim=1)
    s = (z @ z.T / temperature).masked_fill(torch.eye(len(z), dtype=torch.bool), -math.inf)
    return torch.nn.functional.cross_entropy(s, (torch.arange(len(z)) + len(z_a)) % len(z))


@pytest.mark.parametrize(("temperature", "expected"), [(0.5, math.log(1 + 6 * math.exp(-2))), (0.1, 2.7236e-4)])
def test_nt_xent_of_identical_pairs_among_orthogonal_negatives(temperature, expected):
    assert nt_xent(torch.eye(4), torch.eye(4), temperature).item() == pytest.approx(expected, abs=1e-6)


def test_complete_collapse_costs_the_logarithm_of_the_other_views_and_has_no_gradient():
    z = torch.ones(4, 5, dtype=torch.float64, requires_grad=True)
    loss = nt_xent(z, z * 2.0)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(7), abs=1e-12)
    assert z.grad.norm() < 1e-12


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_loss_and_gradients_are_those_of_three_published_implementations(golden, temperature):
    reference = golden("losses.npz")
    key = f"ntxent/lightly/T{temperature}"
    z_a, z_b = (reference[name].clone().requires_grad_(True) for name in ("z0", "z1"))
    loss = nt_xent(z_a, z_b, temperature)
    loss.backward()
    for value, expected in ((loss, "loss"), (z_a.grad, "grad0"), (z_b.grad, "grad1")):
        torch.testing.assert_close(value.detach(), reference[f"{key}/{expected}"], rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_loss_is_not_that_of_the_code_that_subtracts_a_wrong_self_similarity(golden, temperature):
    reference = golden("losses.npz")
    wrong = reference[f"ntxent/hhi_bolts_buggy/T{temperature}/loss"]
    assert abs(nt_xent(reference["z0"], reference["z1"], temperature) - wrong) > 0.3


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 9), st.integers(1, 7), st.floats(0.05, 2.0), st.integers(0, 999))
def test_loss_and_gradient_are_those_of_the_definition(windows, width, temperature, seed):
    z_a, z_b = pair(windows, width, seed)
    ours, expected = nt_xent(z_a, z_b, temperature), by_definition(z_a, z_b, temperature)
    torch.testing.assert_close(ours, expected)
    for a, b in zip(torch.autograd.grad(ours, (z_a, z_b)), torch.autograd.grad(expected, (z_a, z_b)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_the_size_of_a_block_of_rows_changes_nothing(monkeypatch):
    z_a, z_b = pair(11)
    whole = nt_xent(z_a, z_b)
    gradient = torch.autograd.grad(whole, z_a)[0]
    monkeypatch.setattr(module, "_BLOCK", 3 * 22)
    blocks = nt_xent(z_a, z_b)
    torch.testing.assert_close(blocks, whole)
    torch.testing.assert_close(torch.autograd.grad(blocks, z_a)[0], gradient)


def test_memory_grows_with_the_batch_and_not_with_its_square(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 1 << 12)
    z_a, z_b = pair(512, 4, dtype=torch.float32)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        nt_xent(z_a, z_b).backward()
    largest = max(event.cpu_memory_usage for event in profile.events())
    assert largest < 1024 * 1024 * 4 / 8  # an eighth of the 1024 x 1024 similarities in float32


def test_the_order_of_the_batch_does_not_matter_and_the_pairing_does():
    z_a, z_b = pair()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(nt_xent(z_a[order], z_b[order]), nt_xent(z_a, z_b))
    assert abs(nt_xent(z_a, z_b[order]) - nt_xent(z_a, z_b)) > 0.1


def test_views_are_interchangeable_and_lengths_do_not_matter():
    z_a, z_b = pair()
    torch.testing.assert_close(nt_xent(z_b, z_a), nt_xent(z_a, z_b))
    torch.testing.assert_close(nt_xent(3 * z_a, 0.1 * z_b), nt_xent(z_a, z_b))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_similarities_are_float32_under_autocast(dtype):
    z_a, z_b = pair(dtype=torch.float32)
    plain = nt_xent(z_a, z_b, 0.01)
    with torch.autocast("cpu", dtype):
        loss = nt_xent(z_a, z_b, 0.01)
        halved = nt_xent(z_a.to(dtype), z_b.to(dtype), 0.01)
    assert torch.equal(loss, plain)
    assert halved.dtype == torch.float32
    assert halved.isfinite()
    assert torch.autograd.grad(halved, z_a)[0].isfinite().all()


def test_zero_vectors_and_extreme_temperatures_stay_finite():
    z_a, z_b = pair(dtype=torch.float32)
    for temperature in (1e-3, 1e3):
        assert nt_xent(z_a * 0.0, z_b, temperature).isfinite()


@pytest.mark.parametrize(
    ("shape_a", "shape_b", "temperature", "message"),
    [
        ((1, 4), (1, 4), 0.1, "at least 2 in a batch, got 1"),
        ((3, 4), (2, 4), 0.1, r"got \(3, 4\) and \(2, 4\)"),
        ((3, 4, 5), (3, 4, 5), 0.1, r"expected two tensors \(batch, width\)"),
        ((3, 4), (3, 4), 0.0, "temperature must be positive, got 0.0"),
    ],
)
def test_wrong_arguments_of_nt_xent_are_named(shape_a, shape_b, temperature, message):
    with pytest.raises(ValueError, match=message):
        nt_xent(torch.ones(shape_a), torch.ones(shape_b), temperature)
