"""DCL in closed form and against reference outputs."""

import math

import pytest
import torch

from ecg_ssl.objectives.dcl import dcl


def test_loss_and_gradients_are_those_of_the_published_implementation(golden):
    reference = golden("losses.npz")
    a, b = (reference[name].clone().requires_grad_(True) for name in ("z0", "z1"))
    loss = dcl(a, b)
    loss.backward()
    torch.testing.assert_close(loss.detach(), reference["dcl/lightly/loss"], rtol=1e-5, atol=0)
    for z, name in ((a, "grad0"), (b, "grad1")):
        torch.testing.assert_close(z.grad, reference[f"dcl/lightly/{name}"], rtol=1e-4, atol=1e-6)


def test_orthonormal_pairs_and_collapse_have_their_closed_forms():
    z = torch.eye(4, dtype=torch.float64)
    assert dcl(z, z).item() == pytest.approx(math.log(6) - 10, rel=1e-9)
    assert dcl(torch.ones(4, 3), torch.ones(4, 3), temperature=0.5).item() == pytest.approx(math.log(6), rel=1e-6)


def test_windows_of_one_patient_are_no_negatives_of_each_other():
    a, b, patient = (
        torch.randn(6, 8, dtype=torch.float64),
        torch.randn(6, 8, dtype=torch.float64),
        torch.tensor([0, 0, 1, 1, 2, 2]),
    )
    u = torch.nn.functional.normalize(torch.cat([a, b]), dim=1)
    s, owner = u @ u.T / 0.1, patient.repeat(2)
    expected = torch.stack([s[i][owner != owner[i]].logsumexp(dim=0) - s[i, (i + 6) % 12] for i in range(12)]).mean()
    torch.testing.assert_close(dcl(a, b, patient=patient), expected)
    torch.testing.assert_close(dcl(a, b, patient=torch.arange(6) * 7), dcl(a, b))


def test_the_loss_is_finite_for_zeros_huge_numbers_and_half_precision():
    z = torch.zeros(4, 8, requires_grad=True)
    dcl(z, z, temperature=1e-3).backward()
    assert z.grad.isfinite().all()
    a, b = torch.randn(2, 4, 8)
    assert dcl(1e4 * a, b, temperature=1e-3).isfinite()
    torch.testing.assert_close(dcl(a.bfloat16(), b.bfloat16()), dcl(a, b), rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("shapes", "arguments", "message"),
    [
        ((4, 3), {}, r"of one shape, got \(4, 2\) and \(3, 2\)"),
        ((4, 4), {"patient": torch.arange(3)}, r"got \(4, 2\) and \(4, 2\) with patients \(3,\)"),
        ((1, 1), {}, "at least 2 in a batch, got 1"),
        ((4, 4), {"temperature": 0.0}, "temperature must be positive, got 0.0"),
        ((4, 4), {"patient": torch.zeros(4)}, "all windows are of one patient"),
    ],
)
def test_wrong_arguments_are_named(shapes, arguments, message):
    with pytest.raises(ValueError, match=message):
        dcl(*(torch.ones(n, 2) for n in shapes), **arguments)
