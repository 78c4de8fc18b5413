"""Losses that know only tensors: reference values of the originals, closed forms, and what must not change them."""

import math

import pytest
import torch

from ecg_ssl.objectives.barlow_twins import barlow_twins
from ecg_ssl.objectives.info_nce import info_nce, unit_rows
from ecg_ssl.objectives.negative_cosine import cosine_distance
from ecg_ssl.objectives.vicreg import off_diagonal, vicreg

torch.set_num_threads(1)


def with_gradients(function, *inputs):
    leaves = [x.clone().requires_grad_(True) for x in inputs]
    loss = function(*leaves)
    return loss, torch.autograd.grad(loss, leaves, allow_unused=True)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("vicreg/official", lambda a, b: vicreg(a, b).weighted()),
        ("vicreg/lightly", lambda a, b: vicreg(a, b).weighted()),
        ("barlow/official_lambd0.0051", lambda a, b: barlow_twins(a, b).weighted()),
        ("barlow/lightly", lambda a, b: barlow_twins(a, b).weighted(5e-3)),
    ],
)
def test_loss_and_gradients_are_those_of_the_original(golden, name, function):
    reference = golden("losses.npz")
    loss, gradients = with_gradients(function, reference["z0"], reference["z1"])
    torch.testing.assert_close(loss, reference[f"{name}/loss"], rtol=1e-5, atol=0)
    for number, gradient in enumerate(gradients):
        torch.testing.assert_close(gradient, reference[f"{name}/grad{number}"], rtol=1e-4, atol=1e-6)


def test_the_cosine_distance_is_that_of_the_original_and_takes_no_gradient_into_the_target(golden):
    reference = golden("losses.npz")
    loss, (gradient, none) = with_gradients(cosine_distance, reference["z0"], reference["z1"])
    torch.testing.assert_close(loss, 2 + 2 * reference["byol/lightly_negcos/loss"], rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient, 2 * reference["byol/lightly_negcos/grad0"], rtol=1e-4, atol=1e-6)
    assert none is None


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_in_batch_info_nce_is_that_of_moco_v3(golden, temperature):
    reference = golden("moco.npz")
    found = 2 * temperature * info_nce(reference["v3/contrastive/q"], reference["v3/contrastive/k"], temperature=temperature)
    torch.testing.assert_close(found, reference[f"v3/contrastive/T{temperature}"], rtol=1e-5, atol=0)


def test_info_nce_when_all_is_equal_is_the_log_of_the_number_of_keys():
    x = torch.ones(4, 8)
    assert info_nce(x, x, negatives=torch.ones(12, 8)).item() == pytest.approx(math.log(13), rel=1e-6)
    assert info_nce(x, x).item() == pytest.approx(math.log(4), rel=1e-6)


def test_info_nce_of_perfect_keys_among_orthogonal_negatives():
    q, negatives = torch.zeros(3, 8), torch.zeros(12, 8)
    q[:, 0], negatives[:, 1] = 2.0, 5.0
    assert info_nce(q, q, negatives=negatives, temperature=0.2).item() == pytest.approx(math.log1p(12 * math.exp(-5)), rel=1e-5)


def test_a_queue_of_negatives_does_not_hold_the_other_keys_of_the_batch():
    q, k, negatives = torch.randn(5, 8), torch.randn(5, 8), torch.randn(7, 8)
    one_by_one = torch.stack([info_nce(q[i : i + 1], k[i : i + 1], negatives=negatives) for i in range(5)]).mean()
    torch.testing.assert_close(info_nce(q, k, negatives=negatives), one_by_one)


def test_an_excluded_negative_is_as_if_it_were_not_there():
    q, k, negatives = torch.randn(3, 8), torch.randn(3, 8), torch.randn(7, 8)
    excluded = torch.zeros(3, 7, dtype=torch.bool)
    excluded[:, [1, 4]] = True
    torch.testing.assert_close(
        info_nce(q, k, negatives=negatives, excluded=excluded), info_nce(q, k, negatives=negatives[[0, 2, 3, 5, 6]])
    )
    nothing_left = info_nce(q, k, negatives=negatives, excluded=torch.ones(3, 7, dtype=torch.bool))
    assert nothing_left.item() == pytest.approx(0, abs=1e-6)


def test_the_cosine_distance_of_equal_orthogonal_and_opposite_vectors():
    a = torch.eye(3)
    assert cosine_distance(3 * a, a).item() == pytest.approx(0, abs=1e-6)
    assert cosine_distance(a, a.roll(1, 0)).item() == pytest.approx(2)
    assert cosine_distance(a, -5 * a).item() == pytest.approx(4)


def test_vicreg_of_total_collapse_is_its_closed_form():
    terms = vicreg(torch.zeros(16, 4), torch.zeros(16, 4))
    assert [t.item() for t in terms] == pytest.approx([0, 1 - math.sqrt(1e-4), 0], abs=1e-6)
    assert terms.weighted().item() == pytest.approx(24.75)


def test_vicreg_of_white_identical_views_is_almost_nothing_and_of_one_dimension_repeated_is_not():
    z = torch.randn(64, 8, dtype=torch.float64)
    z = z - z.mean(dim=0)
    white = torch.linalg.qr(z).Q * 63**0.5
    assert vicreg(white, white).weighted().item() < 0.1
    repeated = white[:, :1].expand(-1, 8)
    assert vicreg(repeated, repeated).covariance.item() == pytest.approx(2 * 7, rel=1e-6)
    assert vicreg(repeated, repeated).variance.item() == pytest.approx(0, abs=1e-3)


def test_vicreg_is_symmetric_and_does_not_know_the_order_of_the_windows():
    a, b, order = torch.randn(9, 5), torch.randn(9, 5), torch.randperm(9)
    torch.testing.assert_close(vicreg(a, b).weighted(), vicreg(b, a).weighted())
    torch.testing.assert_close(vicreg(a, b).weighted(), vicreg(a[order], b[order]).weighted())


def test_barlow_twins_of_hadamard_columns():
    """The table of reference values: four distinct columns, none of them constant."""
    h = torch.tensor([[1.0, 1], [1, -1]])
    columns = torch.kron(torch.kron(h, h), h)[:, [1, 2, 4, 7]]
    assert barlow_twins(columns, columns).weighted().item() == pytest.approx(0, abs=1e-8)
    assert barlow_twins(columns, -columns).weighted().item() == pytest.approx(16, rel=1e-4)
    assert barlow_twins(torch.randn(8, 4), torch.ones(8, 4)).weighted().item() == pytest.approx(4)
    twice = columns[:, [0, 1, 2, 0]]
    assert barlow_twins(twice, twice).weighted(0.0051).item() == pytest.approx(2 * 0.0051, rel=1e-3)


def test_barlow_twins_does_not_know_scale_and_offset_of_a_dimension():
    a, b = torch.randn(32, 5, dtype=torch.float64), torch.randn(32, 5, dtype=torch.float64)
    moved = a * torch.tensor([0.5, 2, 3, 1, 10]) + 7
    torch.testing.assert_close(barlow_twins(moved, b).weighted(), barlow_twins(a, b).weighted(), rtol=1e-4, atol=0)
    assert not torch.allclose(barlow_twins(-a, b).weighted(), barlow_twins(a, b).weighted(), rtol=1e-3)
    order = torch.tensor([1, 0, 2, 3, 4])
    torch.testing.assert_close(barlow_twins(a[:, order], b[:, order]).weighted(), barlow_twins(a, b).weighted())


def test_the_entries_beside_the_diagonal_are_all_and_only_those():
    matrix = torch.arange(16.0).view(4, 4)
    assert sorted(off_diagonal(matrix).tolist()) == [float(i * 4 + j) for i in range(4) for j in range(4) if i != j]


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: vicreg(a, b).weighted(),
        lambda a, b: barlow_twins(a, b).weighted(),
        info_nce,
        lambda a, b: info_nce(a, b, negatives=torch.eye(3, dtype=torch.float64)),
    ],
    ids=["vicreg", "barlow_twins", "in batch", "queue"],
)
def test_gradients_are_derivatives(function):
    torch.manual_seed(0)
    inputs = [torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(function, inputs)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: vicreg(a, b).weighted(),
        lambda a, b: barlow_twins(a, b).weighted(),
        lambda a, b: info_nce(a, b, temperature=0.07),
        lambda a, b: info_nce(a, b, negatives=torch.randn(64, 32, generator=torch.Generator().manual_seed(0)), temperature=0.07),
        cosine_distance,
    ],
    ids=["vicreg", "barlow_twins", "in batch", "queue", "cosine"],
)
def test_low_precision_changes_the_gradient_by_less_than_a_percent(function):
    """The projector runs under bfloat16 autocast; logits, statistics and the loss are computed in float32."""
    torch.manual_seed(0)
    a, b = torch.randn(32, 32), torch.randn(32, 32)

    def gradient(dtype, autocast):
        leaf = a.to(dtype).requires_grad_(True)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = function(leaf, b.to(dtype))
        assert loss.dtype == dtype
        return torch.autograd.grad(loss, leaf)[0].double()

    exact = gradient(torch.float64, autocast=False)
    assert (gradient(torch.float32, autocast=True) - exact).norm() < 0.01 * exact.norm()


@pytest.mark.parametrize("scale", [0.0, 1e4])
def test_losses_of_identical_and_of_huge_inputs_are_finite(scale):
    a = scale * torch.ones(6, 4)
    for loss in (vicreg(a, a).weighted(), barlow_twins(a, a).weighted(), info_nce(a, a), cosine_distance(a, a)):
        assert loss.isfinite()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: vicreg(torch.zeros(1, 4), torch.zeros(1, 4)), "at least 2 windows in a batch to have a variance, got 1"),
        (
            lambda: barlow_twins(torch.zeros(1, 4), torch.zeros(1, 4)),
            "2 windows in a batch to have a correlation, got 1",
        ),
        (lambda: vicreg(torch.zeros(3, 4), torch.zeros(4, 4)), r"of one shape, got \(3, 4\) and \(4, 4\)"),
        (lambda: barlow_twins(torch.zeros(3, 4), torch.zeros(3, 5)), r"of one shape, got \(3, 4\) and \(3, 5\)"),
        (lambda: cosine_distance(torch.zeros(3, 4), torch.zeros(3)), "of one shape"),
        (lambda: info_nce(torch.zeros(1, 4), torch.zeros(1, 4)), "at least 2 in a batch, got 1"),
        (lambda: info_nce(torch.zeros(2, 4), torch.zeros(2, 4), temperature=0), "temperature must be positive, got 0"),
        (lambda: info_nce(torch.zeros(2, 4), torch.zeros(2, 5)), "of one width"),
        (lambda: info_nce(torch.zeros(2, 4), torch.zeros(2, 4), negatives=torch.zeros(0, 4)), "some negatives, got none"),
        (lambda: info_nce(torch.zeros(2, 4), torch.zeros(3, 4)), "one key, got 3 keys for 2 queries"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def test_unit_rows_of_half_precision_are_single():
    assert unit_rows(torch.ones(2, 3, dtype=torch.bfloat16)).dtype == torch.float32
    torch.testing.assert_close(unit_rows(torch.randn(5, 3)).norm(dim=1), torch.ones(5))
