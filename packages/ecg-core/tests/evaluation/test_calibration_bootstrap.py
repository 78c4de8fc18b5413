"""Intervals of calibration: the draws are those of a direct loop over resampled patients, bins made anew in each."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_core.evaluation.bootstrap import clusters, interval
from ecg_core.evaluation.calibration import Calibration, brier_score, calibrate_scores, expected_calibration_error
from ecg_core.evaluation.calibration_bootstrap import calibration_draws
from ecg_core.evaluation.evaluation import Evaluation, evaluate_scores


def drawn(seed: int, records: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Targets that are drawn with the very probabilities that are the scores."""
    rng = np.random.default_rng(seed)
    scores = 1 / (1 + np.exp(-rng.normal(0, 1.5, (records, classes))))
    return rng.random(scores.shape) < scores, scores


@pytest.mark.parametrize(("records", "bins", "decimals"), [(150, 10, 2), (64, 3, 9), (7, 10, 1), (4200, 10, 3)])
def test_the_draws_are_those_of_a_direct_loop(records: int, bins: int, decimals: int) -> None:
    # Ties, patients with one to three records, more bins than records, stretches longer than the shortest.
    rng = np.random.default_rng(records)
    targets, scores = drawn(1, records)
    scores = scores.round(decimals)
    patients = np.array([f"p{i}" for i in np.sort(rng.integers(0, records // 2, records))])
    codes = clusters(patients, records)
    repeats = 20
    found = calibration_draws(targets, scores, codes, bins=bins, repeats=repeats, seed=3)
    generator = np.random.default_rng(3)
    for r in range(repeats):
        chosen = generator.integers(codes.max() + 1, size=codes.max() + 1)
        rows = np.concatenate([np.flatnonzero(codes == patient) for patient in np.sort(chosen)])  # in the order of the records
        for name, by in (("ece_width", "width"), ("ece_mass", "mass")):
            expected = expected_calibration_error(targets[rows], scores[rows], bins=bins, by=by)
            np.testing.assert_allclose(getattr(found, name)[r], expected, atol=1e-12, err_msg=f"{name} in draw {r}")
        np.testing.assert_allclose(found.brier[r], brier_score(targets[rows], scores[rows]), atol=1e-12)


def test_the_interval_of_a_brier_score_is_that_of_its_draws_and_that_of_an_ece_is_moved_to_its_value() -> None:
    targets, scores = drawn(2, 300)
    words = {"repeats": 200, "seed": 5}
    found = calibrate_scores(targets, scores, classes=("A", "B"), level=0.9, **words)
    draws = calibration_draws(targets, scores, np.arange(300), bins=10, **words)
    low, high, _ = interval(draws.brier[:, 1], 0.9)
    assert (found.per_class[1].brier.low, found.per_class[1].brier.high) == (low, high)
    assert found.brier.low == interval(draws.brier.mean(axis=1), 0.9).low
    values = expected_calibration_error(targets, scores, by="mass")
    excess = draws.ece_mass.mean(axis=0) - values
    assert (excess > 0.003).all()  # what a draw adds
    low, high, _ = interval(draws.ece_mass[:, 0], 0.9)
    moved = found.per_class[0].ece_mass
    assert (moved.low, moved.high) == pytest.approx((low - excess[0], high - excess[0]))
    assert (moved.value, moved.usable) == (pytest.approx(values[0]), 200)


def test_the_interval_of_an_ece_holds_what_other_patients_give() -> None:
    # The number of fresh samples of the same size falls into a 90 % interval about that often; draws that are not moved
    # back lie above it nearly always, for many classes together.
    moved = unmoved = 0
    fresh = np.mean([expected_calibration_error(*drawn(1000 + k, 400, 10)).mean() for k in range(40)])
    for k in range(30):
        targets, scores = drawn(k, 400, 10)
        found = calibrate_scores(targets, scores, classes=[f"c{i}" for i in range(10)], repeats=100, level=0.9, seed=k)
        moved += found.ece_width.low <= fresh <= found.ece_width.high
        draws = calibration_draws(targets, scores, np.arange(400), bins=10, repeats=100, seed=k)
        low, high, _ = interval(draws.ece_width.mean(axis=1), 0.9)
        unmoved += low <= fresh <= high
    assert moved >= 24
    assert unmoved <= 6


def test_an_evaluation_holds_the_intervals_and_files_without_them_are_still_read() -> None:
    targets, scores = drawn(6, 120)
    patients = [f"p{i // 2}" for i in range(120)]
    whole = evaluate_scores(targets.astype(int), scores, classes=("A", "B"), patients=patients, repeats=50, seed=2)
    alone = calibrate_scores(targets, scores, classes=("A", "B"), patients=patients, repeats=50, seed=2)
    assert whole.calibration == alone
    stored = whole.to_dict()
    assert Evaluation.from_dict(stored).calibration == alone
    assert f"ECE {alone.ece_width} in bins of equal width" in str(whole)
    assert alone.ece_width.low < alone.ece_width.value < alone.ece_width.high
    old = stored["calibration"]
    for entry in (old, *old["per_class"]):
        entry |= {word: entry[word]["value"] for word in ("ece_width", "ece_mass", "brier")}
    read = Evaluation.from_dict(stored).calibration
    assert isinstance(read, Calibration)
    assert (read.brier.value, read.brier.usable) == (alone.brier.value, 0)
    assert str(read.brier) == f"{alone.brier.value:.3f}"
