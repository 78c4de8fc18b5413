"""What 3KG asks of two augmentations: a stretched vectorcardiogram, and masks of each lead that go around the ends."""

import numpy as np
import pytest
import torch

from ecg_core.data.leads import INDEPENDENT_8, STANDARD_12
from ecg_preproc.augment.random_masking import RandomMasking
from ecg_preproc.augment.vcg_rotation import KORS, VCGRotation, projection

# Edenbrandt and Pahlm 1988, table of the inverse of Dower's matrix, rounded to three digits: columns I, II, V1 ... V6.
INVERSE_DOWER = np.array(
    [
        [0.156, -0.009, -0.172, -0.073, 0.122, 0.231, 0.239, 0.193],
        [-0.227, 0.886, 0.057, -0.019, -0.106, -0.022, 0.040, 0.048],
        [0.021, 0.102, -0.228, -0.310, -0.245, -0.063, 0.054, 0.108],
    ]
)


def twelve(windows=4, samples=200, seed=0):
    """Noise that obeys Einthoven and Goldberger, with much that no dipole explains."""
    eight = np.random.default_rng(seed).normal(size=(windows, 8, samples))
    one, two = eight[:, 0], eight[:, 1]
    limb = np.stack([two - one, -(one + two) / 2, one - two / 2, two - one / 2], axis=1)
    return np.concatenate([eight[:, :2], limb, eight[:, 2:]], axis=1)


def residual(x, matrix="dower"):
    forward, backward = projection(STANDARD_12, matrix)
    return x - forward @ (backward @ x)


def test_the_inverse_of_dowers_matrix_is_the_published_one():
    np.testing.assert_allclose(projection(INDEPENDENT_8)[1], INVERSE_DOWER, atol=1.1e-3)


@pytest.mark.parametrize("matrix", ["dower", "kors"])
def test_nothing_turned_and_nothing_stretched_is_no_change_or_the_projection_onto_a_dipole(matrix):
    x, still = twelve(), {"degrees": (0.0, 0.0), "matrix": matrix, "leads": STANDARD_12, "p": 1.0}
    np.testing.assert_allclose(VCGRotation(**still)(x), x, atol=1e-6)
    out = VCGRotation(**still, keep_residual=False)(x)
    np.testing.assert_allclose(out, x - residual(x, matrix), atol=1e-6)
    assert np.linalg.matrix_rank(out[0], tol=1e-6) == 3
    assert np.abs(residual(x, matrix)).max() > 1


@pytest.mark.parametrize("keep_residual", [True, False])
@pytest.mark.parametrize("matrix", ["dower", "kors"])
def test_einthoven_and_goldberger_hold_after_turning_and_stretching(matrix, keep_residual):
    views = {"degrees": (0.0, 45.0), "scale": (1.0, 1.5), "matrix": matrix, "keep_residual": keep_residual}
    out = VCGRotation(**views, leads=STANDARD_12, p=1.0)(twelve(), generator=3)
    one, two, three, avr, avl, avf = (out[:, lead] for lead in range(6))
    for found, expected in ((three, two - one), (avr, -(one + two) / 2), (avl, one - two / 2), (avf, two - one / 2)):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_axes_are_stretched_by_factors_of_their_own_between_the_bounds():
    x = twelve(windows=500, samples=20)
    out = VCGRotation(degrees=(0.0, 0.0), scale=(1.0, 1.5), leads=STANDARD_12, p=1.0)(x, generator=0)
    _, backward = projection(STANDARD_12)
    ratio = (backward @ out) / (backward @ x)
    factors = np.median(ratio, axis=-1)  # (windows, 3)
    np.testing.assert_allclose(ratio, np.repeat(factors[..., None], 20, axis=-1), rtol=1e-3, atol=1e-3)
    assert 1 <= factors.min() < 1.01 < 1.49 < factors.max() <= 1.5 + 1e-6
    assert np.abs(np.corrcoef(factors.T) - np.eye(3)).max() < 0.2
    np.testing.assert_allclose(residual(out), residual(x), atol=1e-6)


def test_kors_gives_the_axes_by_its_own_regression():
    forward, backward = projection(INDEPENDENT_8, "kors")
    assert np.array_equal(backward, KORS)
    np.testing.assert_allclose(backward @ forward, np.eye(3), atol=1e-12)


def test_a_stretched_view_is_differentiable_and_the_same_alone_and_in_a_batch():
    some = VCGRotation(degrees=(0.0, 45.0), scale=(1.0, 1.5), leads=STANDARD_12, p=1.0)
    x = torch.from_numpy(twelve()).requires_grad_(True)
    some(x, generator=1).sum().backward()
    assert x.grad.abs().sum() > 0
    np.testing.assert_allclose(some(x.detach(), generator=1).numpy(), some(x.detach().numpy(), generator=1), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"matrix": "frank"}, "matrix must be dower or kors, got 'frank'"), ({"scale": (2.0, 1.0)}, r"scale must be \(low, high\)")],
)
def test_wrong_arguments_of_the_rotation_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        VCGRotation(**arguments)


@pytest.mark.parametrize("framework", [np.asarray, torch.from_numpy])
def test_circular_masks_hide_exactly_half_of_every_lead_at_places_of_its_own(framework):
    mask = RandomMasking(ratio=(0.5, 0.5), per_lead=True, circular=True, p=1.0)
    hidden = np.asarray(mask(framework(np.ones((300, 4, 100))), generator=0)) == 0
    assert (hidden.sum(axis=-1) == 50).all()
    edges = np.diff(hidden, axis=-1, append=hidden[..., :1]).sum(axis=-1)  # one run on the circle has two
    assert (edges == 2).all()
    assert 0.4 < (hidden[..., 0] & hidden[..., -1]).mean() < 0.58  # 49 of 100 starts wrap
    np.testing.assert_allclose(hidden.mean(axis=(0, 1)), 0.5, atol=0.06)  # every sample as often
    assert (hidden[:, 0] != hidden[:, 1]).any(axis=-1).mean() > 0.95


def test_masks_that_are_not_circular_leave_the_ends_more_often():
    hidden = RandomMasking(ratio=(0.5, 0.5), per_lead=True, p=1.0)(np.ones((300, 4, 100)), generator=0) == 0
    assert (np.diff(hidden, axis=-1).sum(axis=-1) <= 2).all()
    assert hidden[..., 0].mean() < 0.1


def test_some_windows_are_spared_and_the_others_hidden_in_every_lead():
    hidden = RandomMasking(ratio=(0.5, 0.5), per_lead=True, circular=True, p=0.5)(np.ones((200, 3, 60)), generator=0) == 0
    share = hidden.mean(axis=(1, 2))
    assert set(np.unique(share)) == {0.0, 0.5}
    assert 0.4 < (share > 0).mean() < 0.6


def test_stretches_around_waves_are_neither_circular_nor_of_one_lead():
    for word in ("per_lead", "circular"):
        with pytest.raises(ValueError, match="stretches around 'r_peaks' are where these are, in all leads; leave out per_lead"):
            RandomMasking(around="r_peaks", **{word: True})
