"""The loss of ECGs and reports against reference outputs and in closed form."""

import math

import pytest
import torch

from ecg_ssl import clip_loss, similarity_scale


def test_loss_and_gradients_are_those_of_the_published_implementation(golden):
    reference = golden("losses.npz")
    a, b = (reference[name].clone().requires_grad_(True) for name in ("z0", "z1"))
    loss = clip_loss(a, b, parity="official")
    loss.backward()
    torch.testing.assert_close(loss.detach(), reference["clip/merl/loss"], rtol=1e-5, atol=0)
    for z, name in ((a, "grad0"), (b, "grad1")):
        torch.testing.assert_close(z.grad, reference[f"clip/merl/{name}"], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(2 * clip_loss(a, b), loss)


def test_collapse_and_orthonormal_pairs_have_their_closed_forms():
    n = 7
    z = torch.eye(n, dtype=torch.float64)
    assert clip_loss(z, z, parity="official").item() == pytest.approx(2 * math.log1p((n - 1) * math.exp(-1 / 0.07)), rel=1e-6)
    ones = torch.ones(n, 4)
    assert clip_loss(ones, ones).item() == pytest.approx(math.log(n), rel=1e-6)


def test_both_directions_are_cross_entropies_by_hand():
    a, b = torch.randn(5, 6, dtype=torch.float64), torch.randn(5, 6, dtype=torch.float64)
    u, v = (torch.nn.functional.normalize(x, dim=1) for x in (a, b))
    s = u @ v.T / 0.2
    expected = -(s.log_softmax(dim=1).diagonal().mean() + s.log_softmax(dim=0).diagonal().mean()) / 2
    torch.testing.assert_close(clip_loss(a, b, temperature=0.2), expected)
    torch.testing.assert_close(clip_loss(b, a, temperature=0.2), expected)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(clip_loss(a[order], b[order], temperature=0.2), expected)


def test_reports_that_are_repeated_are_no_negatives_of_each_other():
    torch.manual_seed(0)
    a, texts, repeats = torch.randn(6, 8), torch.randn(4, 8), torch.tensor([0, 1, 1, 2, 3, 0])
    b = texts[repeats]
    told, blind = clip_loss(a, b, repeats=repeats), clip_loss(a, b)
    assert told < blind
    torch.testing.assert_close(clip_loss(a, b, repeats=torch.arange(6) * 5), blind)
    everything = clip_loss(a, b, repeats=torch.zeros(6))  # nothing to be confused with is left
    assert everything.item() == pytest.approx(0, abs=1e-6)


def test_a_learned_scale_is_that_of_the_temperature_has_a_gradient_and_stays_within_its_bounds():
    a, b = torch.randn(4, 8), torch.randn(4, 8)
    log_scale = torch.tensor(math.log(1 / 0.07), requires_grad=True)
    loss = clip_loss(a, b, scale=similarity_scale(log_scale))
    torch.testing.assert_close(loss.detach(), clip_loss(a, b), rtol=1e-5, atol=0)
    loss.backward()
    assert float(log_scale.grad.abs()) > 0
    assert similarity_scale(torch.tensor([-5.0, 0.0, 2.0, 50.0])).tolist() == pytest.approx([1, 1, math.exp(2), 100])


def test_the_loss_is_finite_for_silent_huge_and_half_precise_embeddings():
    z = torch.zeros(4, 8, requires_grad=True)
    clip_loss(z, z).backward()
    assert z.grad.isfinite().all()
    a, b = torch.randn(2, 4, 8)
    assert clip_loss(1e4 * a, b, temperature=1e-3).isfinite()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(clip_loss(a, b), clip_loss(a.clone(), b))
        assert clip_loss(a.bfloat16(), b.bfloat16()).dtype == torch.float32
    inputs = [torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(clip_loss, inputs)


@pytest.mark.parametrize(
    ("shapes", "arguments", "message"),
    [
        ((4, 3), {}, r"of one shape, got \(4, 2\) and \(3, 2\)"),
        ((4, 4), {"repeats": torch.arange(3)}, r"got \(4, 2\) and \(4, 2\) with repeats \(3,\)"),
        ((1, 1), {}, "needs other pairs as negatives: at least 2 in a batch, got 1"),
        ((4, 4), {"temperature": 0.0}, "temperature must be positive, got 0.0"),
        ((4, 4), {"parity": "clip"}, "parity must be paper or official, got 'clip'"),
    ],
)
def test_wrong_arguments_are_named(shapes, arguments, message):
    with pytest.raises(ValueError, match=message):
        clip_loss(*(torch.ones(n, 2) for n in shapes), **arguments)
