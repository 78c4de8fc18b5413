"""KoLeo against reference outputs, in closed form, and what it does to embeddings."""

import math

import pytest
import torch

from ecg_ssl import koleo


def test_loss_and_gradient_are_those_of_the_published_implementation(golden):
    reference = golden("losses.npz")
    z = reference["z0"].clone().requires_grad_(True)
    loss = koleo(z)
    loss.backward()
    torch.testing.assert_close(loss.detach(), reference["koleo/lightly/loss"], rtol=1e-5, atol=0)
    torch.testing.assert_close(z.grad, reference["koleo/lightly/grad0"], rtol=1e-4, atol=1e-6)


def test_right_angles_opposites_and_collapse_have_their_closed_forms():
    assert koleo(3 * torch.eye(5, dtype=torch.float64)).item() == pytest.approx(-math.log(math.sqrt(2)), rel=1e-6)
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    assert koleo(opposite).item() == pytest.approx(-math.log(2), rel=1e-6)
    # Between equal vectors stand the two small numbers alone: 1e-8 in each of 4 dimensions, and 1e-8.
    assert koleo(torch.ones(3, 4, dtype=torch.float64)).item() == pytest.approx(-math.log(3e-8), rel=1e-6)


def test_only_the_nearest_neighbour_counts():
    angles = torch.tensor([0.0, 0.1, 1.0, 2.5], dtype=torch.float64)
    chords = [2 * math.sin(gap / 2) for gap in (0.1, 0.1, 0.9, 1.5)]
    z = torch.stack([angles.cos(), angles.sin()], dim=1)
    assert koleo(z).item() == pytest.approx(-sum(map(math.log, chords)) / 4, rel=1e-6)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(koleo(z[order]), koleo(z))
    torch.testing.assert_close(koleo(z * torch.tensor([[3.0], [1], [7], [0.1]])), koleo(z))


def test_steps_against_its_gradient_move_nearest_neighbours_apart():
    torch.manual_seed(0)
    z = (torch.tensor([1.0, 0.0]) + 0.05 * torch.randn(8, 2)).requires_grad_(True)

    def least():
        return float(torch.pdist(torch.nn.functional.normalize(z.detach(), dim=1)).min())

    before = least()
    optimizer = torch.optim.SGD([z], lr=0.02)
    for _ in range(300):
        loss = koleo(z)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert before < 0.02
    assert least() > 0.2
    even = 2 * math.sin(math.pi / 8)  # eight points at equal distances
    assert math.exp(-float(loss.detach())) < even + 1e-6


@pytest.mark.parametrize("make", [torch.zeros, torch.ones])
def test_loss_and_gradient_of_equal_and_of_silent_embeddings_are_finite(make):
    z = make(4, 8, requires_grad=True)
    koleo(z).backward()
    assert z.grad.isfinite().all()
    assert koleo(1e4 * torch.randn(4, 8)).isfinite()


def test_low_precision_is_left_behind():
    z = torch.randn(6, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(koleo(z), koleo(z.clone()))
        assert koleo(z).dtype == torch.float32
    assert torch.autograd.gradcheck(koleo, [torch.randn(5, 3, dtype=torch.float64, requires_grad=True)])


def test_what_has_no_neighbour_is_refused():
    with pytest.raises(ValueError, match="a nearest neighbour is another window: at least 2 in a batch, got 1"):
        koleo(torch.ones(1, 4))
    with pytest.raises(ValueError, match=r"expected embeddings \(batch, width\), got \(2, 3, 4\)"):
        koleo(torch.ones(2, 3, 4))
