"""Dice and boundary losses against overlaps and distances counted by hand, and scipy's distance transform."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_backbones import BoundaryLoss, DiceLoss, WeightedSumLoss
from ecg_backbones.losses.boundary import signed_distance
from ecg_core import LOSSES


def _sure(targets: torch.Tensor) -> torch.Tensor:
    return 60.0 * (2 * targets - 1)


def test_dice_counts_overlap_over_total() -> None:
    """Four steps predicted, four true, two shared, one smoothing step: 1 - (2 · 2 + 1) / (4 + 4 + 1) = 4/9."""
    predicted, true = torch.tensor([[[1, 1, 1, 1, 0, 0.0]]]), torch.tensor([[[0, 0, 1, 1, 1, 1.0]]])
    assert float(DiceLoss(exclusive=False)(_sure(predicted), true)) == pytest.approx(4 / 9)


def test_dice_of_a_perfect_prediction_is_zero_and_of_an_absent_class_too() -> None:
    targets = torch.zeros(2, 3, 30)
    targets[:, 0, :10], targets[:, 1, 10:] = 1, 1
    assert float(DiceLoss()(_sure(targets), targets)) == pytest.approx(0.0, abs=1e-6)


def test_squared_dice_is_that_of_v_net() -> None:
    """p = ½ on three steps, two of them true: 1 - (2 · 1 + 1) / (3/4 + 2 + 1) = 1/5; without squares 1 - 3 / 4.5 = 1/3."""
    logits, targets = torch.zeros(1, 1, 3), torch.tensor([[[1.0, 1.0, 0.0]]])
    assert float(DiceLoss(exclusive=False, squared=True)(logits, targets)) == pytest.approx(1 / 5)
    assert float(DiceLoss(exclusive=False)(logits, targets)) == pytest.approx(1 / 3)


def test_boundary_is_the_mean_of_probability_times_distance() -> None:
    """Distances 2 1 0 -1 0 1; all mass outside costs (2 + 1 + 1) / 6, all inside earns (0 - 1 + 0) / 6."""
    targets = torch.tensor([[[0, 0, 1, 1, 1, 0.0]]])
    loss = BoundaryLoss(exclusive=False)
    assert float(loss(_sure(1 - targets), targets)) == pytest.approx(4 / 6)
    assert float(loss(_sure(targets), targets)) == pytest.approx(-1 / 6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_distances_are_those_of_scipys_transform_with_the_papers_signs(mask: list[bool]) -> None:
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is the oracle")
    inside = np.array(mask)
    if inside.all() or not inside.any():
        expected = np.zeros(len(mask))
    else:
        outwards, inwards = ndimage.distance_transform_edt(~inside), ndimage.distance_transform_edt(inside)
        expected = outwards * ~inside - (inwards - 1) * inside
    found = signed_distance(torch.from_numpy(inside.astype(np.float32))[None])[0]
    np.testing.assert_allclose(found.numpy(), expected)


def test_a_false_wave_further_away_costs_more() -> None:
    targets = torch.zeros(1, 1, 100)
    targets[..., 40:50] = 1
    near, far = targets.clone(), targets.clone()
    near[..., 55:60], far[..., 90:95] = 1, 1
    dice, boundary = DiceLoss(exclusive=False), BoundaryLoss(exclusive=False)
    assert float(dice(_sure(near), targets)) == pytest.approx(float(dice(_sure(far), targets)))  # Dice cannot tell them apart
    assert float(boundary(_sure(far), targets)) > float(boundary(_sure(near), targets)) + 1


def test_a_sum_of_both_is_built_from_a_configuration_and_written_back() -> None:
    parts = [{"kind": "losses", "name": "dice_loss", "smooth": 2.0}, {"kind": "losses", "name": "boundary_loss"}]
    config = {"name": "weighted_sum_loss", "losses": parts, "weights": [1.0, 0.25]}
    loss = LOSSES.build(config)
    logits = torch.randn(2, 3, 20, generator=torch.Generator().manual_seed(0))
    targets = torch.nn.functional.one_hot(torch.arange(40).reshape(2, 20) // 7 % 3, 3).transpose(1, 2).float()
    torch.testing.assert_close(loss(logits, targets), DiceLoss(smooth=2.0)(logits, targets) + BoundaryLoss()(logits, targets) / 4)
    assert isinstance(loss, WeightedSumLoss)
    assert LOSSES.to_config(loss) == config


def test_losses_of_steps_say_that_they_need_steps() -> None:
    with pytest.raises(ValueError, match=r"Dice is over the steps of \(batch, classes, steps\), got shape \(2, 3\)"):
        DiceLoss()(torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"boundaries are over the steps of \(batch, classes, steps\), got shape \(2, 3\)"):
        BoundaryLoss()(torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="smooth must be a positive number of steps, got 0"):
        DiceLoss(smooth=0)
