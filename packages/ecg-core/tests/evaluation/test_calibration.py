"""Calibration: closed forms, scikit-learn's Brier score, and a temperature that undoes one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss

from ecg_core.errors import DataError
from ecg_core.evaluation.calibration import (
    apply_temperature,
    brier_score,
    calibrate_scores,
    expected_calibration_error,
    fit_temperature,
)
from ecg_core.evaluation.curves import reliability


def drawn(seed: int, records: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Targets that are drawn with the very probabilities that are the scores."""
    rng = np.random.default_rng(seed)
    scores = 1 / (1 + np.exp(-rng.normal(0, 1.5, (records, classes))))
    return (rng.random(scores.shape) < scores).astype(int), scores


def test_a_constant_score_is_off_by_its_distance_from_the_prevalence():
    targets = np.array([[1]] * 30 + [[0]] * 70)
    for by in ("width", "mass"):
        # By mass, the bins part positives from negatives here: their gaps are 0.35 off on one side only where all scores tie.
        found = expected_calibration_error(targets[::-1], np.full((100, 1), 0.65), bins=1, by=by)
        assert found[0] == pytest.approx(0.35)


def test_the_error_is_the_weighted_gap_of_the_reliability_curve():
    targets, scores = drawn(0, 500)
    found = expected_calibration_error(targets, scores)
    for c in range(2):
        score, fraction, records = reliability(targets[:, c].astype(bool), scores[:, c])
        assert found[c] == pytest.approx((np.abs(score - fraction) * records).sum() / 500)


def test_bins_of_equal_mass_hold_equally_many_records():
    # Two bins of two: mean scores 0.15 and 0.35, outcomes 0.5 and 0.5.
    found = expected_calibration_error([[1], [0], [0], [1]], [[0.1], [0.2], [0.3], [0.4]], bins=2, by="mass")
    assert found[0] == pytest.approx(0.5 * 0.35 + 0.5 * 0.15)


def test_scores_that_keep_their_promise_have_an_error_that_falls_with_the_records():
    small, large = (expected_calibration_error(*drawn(1, n)).mean() for n in (300, 30_000))
    assert large < 0.012 < small


def test_the_brier_score_is_that_of_scikit_learn():
    targets, scores = drawn(2, 200)
    assert brier_score(targets, scores) == pytest.approx([brier_score_loss(targets[:, c], scores[:, c]) for c in range(2)])


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_fitted_temperature_undoes_the_one_that_was_applied(temperature: float):
    targets, scores = drawn(3, 20_000)
    spoiled = apply_temperature(scores, 1 / temperature)
    assert fit_temperature(targets, spoiled) == pytest.approx(temperature, rel=0.04)
    assert expected_calibration_error(targets, apply_temperature(spoiled, temperature)).max() < 0.02


def test_the_fitted_temperature_of_a_softmax_undoes_the_one_that_was_applied():
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 1.5, (20_000, 4))
    p = torch.tensor(logits).softmax(dim=1).numpy()
    targets = (rng.random((20_000, 1)) < p.cumsum(axis=1)).cumsum(axis=1) == 1
    spoiled = torch.tensor(logits * 2.5).softmax(dim=1).numpy()
    assert fit_temperature(targets.astype(int), spoiled, problem="multi_class") == pytest.approx(2.5, rel=0.05)


def test_a_temperature_divides_the_logits():
    logits = torch.linspace(-8, 8, 33, dtype=torch.float64).reshape(11, 3)
    for problem, probabilities in (("multi_label", torch.sigmoid), ("multi_class", lambda z: z.softmax(dim=1))):
        found = apply_temperature(probabilities(logits).numpy(), 1.7, problem=problem)
        np.testing.assert_allclose(found, probabilities(logits / 1.7).numpy(), atol=1e-12)


def test_no_ranking_within_a_class_moves():
    scores = np.sort(np.random.default_rng(0).random((50, 1)), axis=0)
    assert (np.diff(apply_temperature(scores, 4.0), axis=0) > 0).all()


def test_scores_of_zero_and_one_stay_finite():
    targets = np.array([[1], [0], [1]])
    assert 0 < fit_temperature(targets, [[1.0], [0.0], [0.0]]) < np.inf
    assert np.isfinite(apply_temperature([[0.0, 1.0]], 2.0)).all()


def test_all_of_it_together():
    targets, scores = drawn(5, 100)
    found = calibrate_scores(targets, scores, classes=("A", "B"), temperature=1.5)
    assert found.brier.value == pytest.approx(brier_score(targets, scores).mean())
    assert found.per_class[1].ece_mass.value == expected_calibration_error(targets, scores, by="mass")[1]
    assert (found.per_class[0].name, found.temperature) == ("A", 1.5)


def test_what_does_not_fit_is_said_in_one_sentence():
    with pytest.raises(DataError, match=r"calibration needs probabilities in \[0, 1\], got scores from -1 to 2"):
        brier_score([[1], [0]], [[2.0], [-1.0]])
    with pytest.raises(DataError, match="bins must be at least 1, got 0"):
        expected_calibration_error([[1]], [[0.5]], bins=0)
    with pytest.raises(DataError, match="a temperature is a positive number, got 0"):
        apply_temperature([[0.5]], 0)
