"""The bootstrap against explicit resampling, and what intervals must do: cover, and widen when patients repeat."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from ecg_core.errors import DataError
from ecg_core.evaluation import bootstrap as room
from ecg_core.evaluation.bootstrap import bootstrap, clusters, interval, micro_bootstrap, multiplicities


def scored(seed: int, records: int = 120, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = (rng.random((records, classes)) < 0.3).astype(int)
    return targets, np.round(rng.normal(size=targets.shape) + targets, 1)


def test_each_repeat_equals_scikit_learn_on_the_records_written_out():
    targets, scores = scored(0)
    patients = np.random.default_rng(1).integers(0, 50, len(targets))
    drawn = bootstrap(targets, scores, patients=patients, repeats=10, seed=3)
    blocks = list(multiplicities(clusters(patients, len(targets)), repeats=10, seed=3))
    for repeat, times in enumerate(np.concatenate(blocks, axis=1).T.astype(int)):
        t, s = np.repeat(targets, times, axis=0), np.repeat(scores, times, axis=0)
        for c in range(targets.shape[1]):
            assert drawn.auroc[repeat, c] == pytest.approx(roc_auc_score(t[:, c], s[:, c]), abs=1e-12)
            assert drawn.auprc[repeat, c] == pytest.approx(average_precision_score(t[:, c], s[:, c]), abs=1e-12)


def test_each_micro_repeat_equals_scikit_learn_on_the_records_written_out():
    targets, scores = scored(8)
    patients = np.random.default_rng(1).integers(0, 50, len(targets))
    drawn = micro_bootstrap(targets, scores, patients=patients, repeats=6, seed=3)
    blocks = list(multiplicities(clusters(patients, len(targets)), repeats=6, seed=3))
    for repeat, times in enumerate(np.concatenate(blocks, axis=1).T.astype(int)):
        t, s = np.repeat(targets, times, axis=0), np.repeat(scores, times, axis=0)
        assert drawn.auroc[repeat, 0] == pytest.approx(roc_auc_score(t, s, average="micro"), abs=1e-12)
        assert drawn.auprc[repeat, 0] == pytest.approx(average_precision_score(t, s, average="micro"), abs=1e-12)


def test_all_records_of_a_patient_come_together_and_as_many_patients_as_there_are():
    codes = clusters(["b", "a", "b", "c", "b"], 5)
    (times,) = multiplicities(codes, repeats=40, seed=0)
    np.testing.assert_array_equal(times[0], times[2])
    np.testing.assert_array_equal(times[0], times[4])
    np.testing.assert_array_equal(times[0] + times[1] + times[3], 3)


def test_unknown_patients_are_patients_of_their_own():
    assert clusters(None, 3).tolist() == [0, 1, 2]
    codes = clusters(["p1", None, "p1", float("nan"), None], 5)
    assert codes[0] == codes[2]
    assert len(set(codes.tolist())) == 4


def test_patient_ids_may_be_numbers_or_names():
    np.testing.assert_array_equal(clusters(np.array([7, 3, 7]), 3), clusters(["x", "y", "x"], 3))


def test_the_same_seed_gives_the_same_repeats_whatever_the_block_size(monkeypatch):
    targets, scores = scored(2)
    usual = bootstrap(targets, scores, repeats=150, seed=5)
    monkeypatch.setattr(room, "_BLOCK_REPEATS", 7)
    np.testing.assert_array_equal(bootstrap(targets, scores, repeats=150, seed=5).auroc, usual.auroc)
    assert not np.array_equal(bootstrap(targets, scores, repeats=150, seed=6).auroc, usual.auroc)


def test_a_95_percent_interval_covers_the_true_auroc_about_95_times_in_100():
    # Scores of positives ~ N(1, 1) and of negatives ~ N(0, 1): the true AUROC is Phi(1 / sqrt 2).
    truth, worlds = 0.7602499389065233, 200
    rng = np.random.default_rng(0)
    covered = 0
    for world in range(worlds):
        targets = (np.arange(120) < 50)[:, np.newaxis].astype(int)
        low, high, _ = interval(bootstrap(targets, rng.normal(size=targets.shape) + targets, repeats=300, seed=world).auroc[:, 0])
        covered += low <= truth <= high
    assert 0.90 <= covered / worlds <= 0.99  # binomial spread of 200 worlds is 0.015


def test_intervals_by_patient_are_wider_by_sqrt_k_when_each_patient_comes_k_times():
    targets, scores = scored(4, records=150, classes=1)
    copies = 9
    patients = np.tile(np.arange(len(targets)), copies)
    targets, scores = np.tile(targets, (copies, 1)), np.tile(scores, (copies, 1))
    low, high, _ = interval(bootstrap(targets, scores, patients=patients, repeats=800).auroc[:, 0])
    naive_low, naive_high, _ = interval(bootstrap(targets, scores, repeats=800).auroc[:, 0])
    assert (high - low) / (naive_high - naive_low) == pytest.approx(3.0, rel=0.15)


def test_a_class_with_one_positive_is_missing_in_a_third_of_the_repeats_and_that_is_counted():
    targets = (np.arange(200) == 0)[:, np.newaxis].astype(int)
    drawn = bootstrap(targets, np.random.default_rng(0).normal(size=targets.shape), repeats=2000).auroc[:, 0]
    *_, usable = interval(drawn)
    assert usable == np.isfinite(drawn).sum()
    assert usable / 2000 == pytest.approx(1 - np.exp(-1), abs=0.04)  # P(not drawn) = (1 - 1/n)^n


def test_the_interval_is_made_of_plain_percentiles():
    assert interval(np.arange(101.0), level=0.9) == pytest.approx((5.0, 95.0, 101))
    low, high, usable = interval(np.array([np.nan, 2.0, 4.0]), level=0.5)
    assert (low, high, usable) == (2.5, 3.5, 2)
    low, high, usable = interval(np.full(3, np.nan))
    assert np.isnan([low, high]).all()
    assert usable == 0


def test_what_does_not_fit_is_said_in_one_sentence():
    targets, scores = scored(0)
    with pytest.raises(DataError, match="one patient per record, got 2 names for 120 records"):
        bootstrap(targets, scores, patients=["a", "b"])
    with pytest.raises(DataError, match="repeats must be at least 1, got 0"):
        bootstrap(targets, scores, repeats=0)
    with pytest.raises(DataError, match=r"level must lie between 0 and 1, e.g. 0.95, got 95"):
        interval(np.zeros(3), level=95)
