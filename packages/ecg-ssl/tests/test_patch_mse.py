"""Masked mean squared error in closed form."""

import pytest
import torch

from ecg_ssl.objectives.masked import patch_error, patch_mse


def test_predicting_the_mean_of_noise_costs_74_over_75_and_not_one():
    # The unbiased variance of 75 samples makes their standardised mean square (75 - 1) / 75.
    patches = torch.randn(4, 12, 8, 75, dtype=torch.float64)
    loss = patch_mse(torch.zeros_like(patches), patches, torch.ones(4, 12, 8))
    assert loss.item() == pytest.approx(74 / 75, abs=1e-5)


def test_a_perfect_prediction_costs_nothing_in_either_form():
    patches = torch.randn(2, 3, 4, 10)
    mask = torch.ones(2, 3, 4, dtype=torch.bool)
    standardised = (patches - patches.mean(-1, keepdim=True)) / (patches.var(-1, keepdim=True) + 1e-6).sqrt()
    assert patch_mse(patches, patches, mask, normalise=False).item() == 0.0
    assert patch_mse(standardised, patches, mask).item() == 0.0


def test_the_mean_is_over_hidden_patches_of_the_whole_batch():
    prediction, patches = torch.zeros(2, 1, 2, 5), torch.ones(2, 1, 2, 5)
    patches[1] = 3.0
    mask = torch.tensor([[[True, False]], [[True, True]]])
    assert patch_mse(prediction, patches, mask, normalise=False).item() == pytest.approx((1 + 9 + 9) / 3)


def test_visible_patches_do_not_count_and_get_no_gradient():
    prediction, patches = torch.randn(2, 3, 4, 10, requires_grad=True), torch.randn(2, 3, 4, 10)
    mask = torch.rand(2, 3, 4) < 0.5
    loss = patch_mse(prediction, patches, mask)
    loss.backward()
    assert torch.equal(prediction.grad.abs().amax(-1) > 0, mask)
    assert torch.equal(patch_mse(torch.where(mask[..., None], prediction, 1e3), patches, mask), loss)


def test_the_target_is_a_constant():
    patches = torch.randn(1, 1, 2, 5, requires_grad=True)
    loss = patch_mse(torch.zeros(1, 1, 2, 5, requires_grad=True), patches, torch.ones(1, 1, 2))
    assert torch.autograd.grad(loss, patches, allow_unused=True) == (None,)


def test_a_flat_patch_has_the_target_zero():
    assert patch_mse(torch.zeros(1, 1, 5), torch.full((1, 1, 5), 7.0), torch.ones(1, 1)).item() == 0.0


def test_half_precision_predictions_are_compared_in_float32():
    prediction = torch.randn(2, 3, 4, 10).bfloat16()
    patches, mask = torch.randn(2, 3, 4, 10), torch.ones(2, 3, 4)
    assert torch.equal(patch_mse(prediction, patches, mask), patch_mse(prediction.float(), patches, mask))


@pytest.mark.parametrize(("patches", "mask"), [((2, 4, 9), (2, 4)), ((2, 4, 10), (2, 4, 1))])
def test_shapes_that_would_broadcast_silently_are_an_error(patches, mask):
    with pytest.raises(ValueError, match="must have one shape"):
        patch_mse(torch.zeros(2, 4, 10), torch.zeros(patches), torch.ones(mask))


@pytest.mark.parametrize(
    ("distance", "expected"), [("mse", (0.25 + 9.0) / 2), ("l1", (0.5 + 3.0) / 2), ("smooth_l1", (0.125 + 2.5) / 2)]
)
def test_distances_of_a_small_and_a_large_error(distance, expected):
    prediction = torch.tensor([[0.5, -3.0]])
    loss = patch_error(prediction, torch.zeros(1, 2), torch.ones(1), normalise=False, distance=distance)
    assert loss.item() == pytest.approx(expected)
