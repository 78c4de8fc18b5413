"""Grad-CAM against its closed form for linear heads, hand-written autograd, and what it must leave alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ecg_core.explanation.grad_cam import grad_cam, normalise_relevance, upsample_relevance


class PooledHead(nn.Module):
    """Mean over steps (and leads), then a linear layer: the network of the original CAM."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, features: Tensor) -> Tensor:
        pooled = features.mean(-1) if features.ndim == 3 else features.mean((1, -1))
        return self.linear(pooled)


@pytest.fixture
def features() -> Tensor:
    return torch.randn(5, 8, 12, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def head() -> PooledHead:
    torch.manual_seed(1)
    return PooledHead(8, 3)


def test_for_mean_pooling_and_a_linear_head_it_is_cam_divided_by_the_number_of_steps(features, head):
    # d score / d A[c, t] = w[c] / steps everywhere, so alpha[c] = w[c] / steps.
    for target in range(3):
        cam = torch.einsum("c,bct->bt", head.linear.weight[target], features).relu() / 12
        torch.testing.assert_close(grad_cam(head, features, target), cam.detach())


def test_lead_wise_features_share_channel_weights_and_keep_their_leads(head):
    features = torch.randn(2, 3, 8, 10)
    cam = torch.einsum("c,blct->blt", head.linear.weight[1], features).relu() / (3 * 10)
    torch.testing.assert_close(grad_cam(head, features, 1), cam.detach())


def test_a_non_linear_head_agrees_with_the_definition_written_out_by_hand(features):
    torch.manual_seed(2)
    head = nn.Sequential(nn.Conv1d(8, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 12, 2))
    for record in range(5):
        a = features[record : record + 1].clone().requires_grad_(True)
        head(a)[0, 1].backward()
        expected = torch.zeros(12)
        for c in range(8):
            expected += a.grad[0, c].mean() * a.detach()[0, c]
        torch.testing.assert_close(grad_cam(head, features, 1)[record], expected.clamp(min=0))


def test_only_the_step_that_feeds_the_class_lights_up():
    features = torch.zeros(1, 4, 20)
    features[0, 2, 13] = 5.0
    cam = grad_cam(lambda a: a.sum(-1), features, 2)
    assert cam.nonzero().tolist() == [[0, 13]]


def test_what_speaks_against_the_class_is_not_shown(features, head):
    against = grad_cam(lambda a: -head(a), features, 0)
    assert ((grad_cam(head, features, 0) > 0) & (against > 0)).sum() == 0


def test_a_head_with_zero_weights_gives_a_map_of_zeros(features, head):
    nn.init.zeros_(head.linear.weight)
    assert not grad_cam(head, features, 0).any()


def test_a_record_is_explained_the_same_alone_and_in_a_batch(features, head):
    torch.testing.assert_close(grad_cam(head, features, 2)[3:4], grad_cam(head, features[3:4], 2))


def test_parameters_modes_and_features_are_left_alone(features, head):
    model = nn.Sequential(head, nn.Dropout(0.5))
    model.eval()
    model[1].train()
    before = features.clone()
    cam = grad_cam(lambda a: head(a), features, 0)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert [module.training for module in (head, model[1])] == [False, True]
    assert torch.equal(features, before)
    assert not features.requires_grad
    assert not cam.requires_grad


def test_frozen_heads_can_be_explained(features, head):
    expected = grad_cam(head, features, 0)
    head.requires_grad_(False)
    assert torch.equal(grad_cam(head, features, 0), expected)


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_it_works_for_callers_that_switched_gradients_off(guard, features, head):
    expected = grad_cam(head, features, 0)
    with guard():
        assert torch.equal(grad_cam(head, features * 1, 0), expected)


def test_a_head_may_begin_with_an_in_place_activation(features, head):
    expected = grad_cam(nn.Sequential(nn.ReLU(), head), features, 0)
    torch.testing.assert_close(grad_cam(nn.Sequential(nn.ReLU(inplace=True), head), features, 0), expected)


def test_relevance_of_a_step_peaks_in_the_middle_of_the_samples_it_covers():
    cam = torch.zeros(1, 8)
    cam[0, 3] = 1.0
    up = upsample_relevance(cam, 8 * 25)[0]
    assert up.argmax() == 3 * 25 + 12  # step 3 covers samples 75 … 99, whose middle is 87
    torch.testing.assert_close(up[87 - 20 : 87], up[87 + 1 : 87 + 21].flip(0))


def test_upsampling_agrees_with_torch_when_steps_tile_the_signal():
    cam = torch.rand(2, 3, 9)
    torch.testing.assert_close(upsample_relevance(cam, 72), interpolate(cam, size=72, mode="linear"))


def test_a_given_stride_and_centre_put_each_step_on_its_own_sample():
    cam = torch.rand(1, 32)
    up = upsample_relevance(cam, 1000, stride=32, centre=0)  # ceil(1000 / 32) steps of a convolution stack
    torch.testing.assert_close(up[:, ::32], cam)
    torch.testing.assert_close(up[:, 993:], cam[:, -1:].expand(1, 7))


def test_upsampling_one_step_is_constant_and_keeping_the_length_changes_nothing():
    assert torch.equal(upsample_relevance(torch.tensor([[0.5]]), 4), torch.full((1, 4), 0.5))
    cam = torch.rand(3, 10)
    torch.testing.assert_close(upsample_relevance(cam, 10), cam)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 300), st.integers(0, 2**16))
def test_upsampling_invents_no_relevance_outside_the_range_of_the_map(steps, samples, seed):
    cam = torch.rand(2, steps, generator=torch.Generator().manual_seed(seed))
    up = upsample_relevance(cam, samples)
    assert up.shape == (2, samples)
    assert (up.amax(1) <= cam.amax(1) + 1e-6).all()
    assert (up.amin(1) >= cam.amin(1) - 1e-6).all()


def test_each_record_is_normalised_by_its_own_highest_value_and_zero_stays_zero():
    relevance = torch.tensor([[[0.0, 2.0], [4.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]], [[1e-30, 0.0], [0.0, 5e-31]]])
    expected = torch.tensor([[[0.0, 0.5], [1.0, 0.25]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.5]]])
    torch.testing.assert_close(normalise_relevance(relevance), expected)


@pytest.mark.parametrize("target", [-1, 3])
def test_a_target_out_of_range_names_the_range(features, head, target):
    with pytest.raises(ValueError, match=rf"one of the 3 classes 0 … 2, got {target}"):
        grad_cam(head, features, target)


def test_what_does_not_fit_is_said_in_one_sentence(features, head):
    with pytest.raises(ValueError, match=r"features must be .* got shape \(5, 8\)"):
        grad_cam(head, features[..., 0], 0)
    with pytest.raises(ValueError, match=r"must return \(batch, classes\) = \(5, …\), got shape \(5, 8, 12\)"):
        grad_cam(lambda a: a, features, 0)
    with pytest.raises(ValueError, match="the scores do not depend on the features"):
        grad_cam(lambda a: torch.zeros(5, 2), features, 0)
    with pytest.raises(ValueError, match="got 0 samples and 4 steps"):
        upsample_relevance(torch.zeros(1, 4), 0)
    with pytest.raises(ValueError, match="stride must be a positive number of samples, got -2"):
        upsample_relevance(torch.zeros(1, 4), 8, stride=-2)
