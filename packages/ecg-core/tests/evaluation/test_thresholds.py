"""Thresholds: the greatest F1 there is, never learned from nothing, and named where they are not learned at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_recall_curve

from ecg_core.errors import DataError
from ecg_core.evaluation.stored import pack, unpack
from ecg_core.evaluation.thresholds import Thresholds, best_f1_thresholds, choose_thresholds


def scored(seed: int = 0, records: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = (rng.random((records, 3)) < [0.4, 0.2, 0.1]).astype(int)
    return targets, np.round(1 / (1 + np.exp(-(rng.normal(size=targets.shape) + 2 * targets - 1))), 2)


def test_no_threshold_of_the_precision_recall_curve_has_a_greater_f1():
    targets, scores = scored()
    for c, threshold in enumerate(best_f1_thresholds(targets, scores)):
        precision, recall, _ = precision_recall_curve(targets[:, c], scores[:, c])
        best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
        assert f1_score(targets[:, c], scores[:, c] >= threshold) == pytest.approx(best, abs=1e-12)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9])), min_size=2, max_size=25))
def test_every_other_threshold_is_at_most_as_good(pairs: list[tuple[bool, float]]):
    targets = np.array([[int(p)] for p, _ in pairs])
    scores = np.array([[s] for _, s in pairs])
    (threshold,) = best_f1_thresholds(targets, scores)
    if targets.all() or not targets.any():
        assert np.isnan(threshold)
        return
    found = f1_score(targets[:, 0], scores[:, 0] >= threshold, zero_division=0)
    for other in np.unique(scores):
        assert found >= f1_score(targets[:, 0], scores[:, 0] >= other, zero_division=0) - 1e-12


def test_of_equally_good_thresholds_the_highest_is_taken_and_it_lies_between_two_scores():
    # F1 is 2/3 from 0.9 on (one of two found) and again from 0.3 on (both found, two false alarms: 4/6).
    assert best_f1_thresholds([[1], [0], [0], [1]], [[0.9], [0.5], [0.4], [0.3]])[0] == pytest.approx(0.7)


def test_between_neighbouring_floats_the_threshold_is_the_score_itself():
    high = np.nextafter(0.5, 1)
    (threshold,) = best_f1_thresholds([[1], [0]], [[high], [0.5]])
    assert threshold == high


def test_a_class_that_validation_says_nothing_about_has_the_named_default():
    targets, scores = scored()
    targets[:, 1], targets[:, 2] = 0, 1
    found = choose_thresholds(targets, scores, classes=("A", "B", "C"), source="the validation split of x")
    assert found.values[1:] == (0.5, 0.5)
    assert found.values[0] != 0.5
    assert found.defaults == ("B", "C")
    assert found.source == "greatest F1 on the validation split of x"
    assert "for B, C, for want of positive or negative validation records: the default 0.5 is used there" in found.note


def test_without_validation_records_all_have_the_default_and_it_is_said():
    found = choose_thresholds(np.zeros((0, 2)), np.zeros((0, 2)), classes=("A", "B"))
    assert found.values == (0.5, 0.5)
    assert found.source == "the validation split is empty"
    assert found.defaults == ("A", "B")


def test_argmax_gives_exactly_one_class_and_thresholds_any_number():
    scores = np.array([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])
    rule = Thresholds.argmax(("A", "B", "C"))
    assert rule.decide(scores).tolist() == [[True, False, False], [False, False, True]]
    several = Thresholds("threshold", "here", ("A", "B", "C"), (0.4, 0.3, 0.5))
    assert several.decide(scores).tolist() == [[True, True, False], [False, False, True]]
    assert rule.note == ""


def test_scores_of_another_number_of_classes_are_refused():
    with pytest.raises(DataError, match=r"thresholds of 3 classes take \(records, classes\) scores, got shape \(2, 2\)"):
        Thresholds.argmax(("A", "B", "C")).decide(np.zeros((2, 2)))


def test_thresholds_come_back_from_json():
    for rule in (Thresholds.argmax(("A",)), choose_thresholds(*scored(), classes=("A", "B", "C"))):
        again = unpack(Thresholds, pack(rule))
        assert pack(again) == pack(rule)
        assert again.classes == rule.classes
        np.testing.assert_array_equal(again.values, rule.values)
