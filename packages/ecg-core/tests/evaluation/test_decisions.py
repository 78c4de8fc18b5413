"""Decisions against scikit-learn, on the records written out, and what does not exist is not called zero."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as reference_matrix
from sklearn.metrics import f1_score, precision_score, recall_score

from ecg_core.errors import DataError
from ecg_core.evaluation.bootstrap import clusters, interval, multiplicities
from ecg_core.evaluation.decisions import Rates, confusion_matrix, decide_and_score, rates
from ecg_core.evaluation.thresholds import Thresholds, choose_thresholds

CLASSES = ("NORM", "MI", "AFIB")


def scored(seed: int = 0, records: int = 150) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.random((records, 3)) < [0.5, 0.3, 0.2]
    return targets, 1 / (1 + np.exp(-(rng.normal(size=targets.shape) + 2 * targets - 1)))


def test_rates_are_those_of_scikit_learn():
    targets, scores = scored()
    given = scores > 0.5
    found = rates(targets, given)
    for c in range(3):
        assert found.f1[c] == pytest.approx(f1_score(targets[:, c], given[:, c]))
        assert found.sensitivity[c] == pytest.approx(recall_score(targets[:, c], given[:, c]))
        assert found.specificity[c] == pytest.approx(recall_score(~targets[:, c], ~given[:, c]))
        assert found.ppv[c] == pytest.approx(precision_score(targets[:, c], given[:, c]))
    assert found.micro_f1 == pytest.approx(f1_score(targets, given, average="micro"))


def test_each_repeat_equals_the_rates_of_the_records_written_out():
    targets, scores = scored(1)
    given = scores > 0.4
    patients = np.random.default_rng(2).integers(0, 60, len(targets))
    blocks = list(multiplicities(clusters(patients, len(targets)), repeats=8, seed=3))
    weights = np.concatenate(blocks, axis=1)
    found = rates(targets, given, weights)
    for repeat, times in enumerate(weights.T.astype(int)):
        t, g = np.repeat(targets, times, axis=0), np.repeat(given, times, axis=0)
        for mine, theirs in zip(found, rates(t, g), strict=True):
            np.testing.assert_allclose(mine[repeat], theirs, atol=1e-12)


def test_intervals_are_those_of_the_same_draws_as_the_areas():
    targets, scores = scored(4)
    patients = np.arange(len(targets)) // 2
    thresholds = choose_thresholds(targets, scores, classes=CLASSES)
    found = decide_and_score(targets, scores, thresholds, patients=patients, repeats=60, seed=7)
    blocks = multiplicities(clusters(patients, len(targets)), repeats=60, seed=7)
    drawn = [rates(targets, thresholds.decide(scores), w) for w in blocks]
    f1 = np.concatenate([each.f1 for each in drawn])
    low, high, usable = interval(f1[:, 1])
    assert (found.per_class[1].f1.low, found.per_class[1].f1.high, found.per_class[1].f1.usable) == (low, high, usable)
    assert found.macro_f1.value == pytest.approx(np.mean([d.f1.value for d in found.per_class]))
    low, high, _ = interval(f1.mean(axis=1))
    assert (found.macro_f1.low, found.macro_f1.high) == pytest.approx((low, high))


def test_the_four_counts_are_those_of_the_two_by_two_table():
    targets, scores = scored(5)
    thresholds = Thresholds("threshold", "here", CLASSES, (0.3, 0.5, 0.7))
    found = decide_and_score(targets, scores, thresholds, repeats=2)
    for c, d in enumerate(found.per_class):
        table = reference_matrix(targets[:, c], scores[:, c] >= thresholds.values[c])
        assert [[d.true_negatives, d.false_positives], [d.false_negatives, d.true_positives]] == table.tolist()
        assert d.threshold == thresholds.values[c]
    assert found.confusion == ()


def test_a_class_without_positives_has_no_f1_and_no_sensitivity_but_a_specificity():
    targets = np.zeros((4, 1), dtype=bool)
    found = rates(targets, np.array([[True], [False], [False], [False]]))
    assert np.isnan([found.f1[0], found.sensitivity[0], found.micro_f1]).all()
    assert found.specificity[0] == 0.75
    assert found.ppv[0] == 0.0


def test_a_class_that_is_never_given_has_f1_zero_and_no_predictive_value():
    found = rates(np.array([[True], [False]]), np.zeros((2, 1), dtype=bool))
    assert found.f1[0] == 0.0
    assert np.isnan(found.ppv[0])


def test_the_confusion_matrix_is_that_of_scikit_learn_and_leaves_out_records_without_one_class():
    rng = np.random.default_rng(0)
    true, said = rng.integers(0, 3, 90), rng.integers(0, 3, 90)
    targets, given = np.eye(3, dtype=bool)[true], np.eye(3, dtype=bool)[said]
    matrix, without = confusion_matrix(targets, given)
    np.testing.assert_array_equal(matrix, reference_matrix(true, said))
    assert without == 0
    targets[0], targets[1] = False, True
    matrix, without = confusion_matrix(targets, given)
    np.testing.assert_array_equal(matrix, reference_matrix(true[2:], said[2:]))
    assert without == 2


def test_argmax_decisions_have_a_confusion_matrix_and_no_thresholds():
    targets = np.eye(3, dtype=int)[[0, 1, 2, 2, 1, 0]]
    scores = np.eye(3)[[0, 1, 2, 1, 1, 2]] * 0.8 + 0.05
    found = decide_and_score(targets, scores, Thresholds.argmax(CLASSES), repeats=5)
    assert found.confusion == ((1, 0, 1), (0, 2, 0), (0, 1, 1))
    assert {d.threshold for d in found.per_class} == {None}
    assert found.micro_f1.value == pytest.approx(4 / 6)  # of single-label decisions, micro F1 is the accuracy


def test_decisions_that_give_no_class_have_no_confusion_matrix():
    with pytest.raises(DataError, match="a confusion matrix needs exactly one given class per record"):
        confusion_matrix(np.eye(2, dtype=bool), np.zeros((2, 2), dtype=bool))


def test_rates_of_float32_weights_are_exact_counts():
    targets, scores = scored(6)
    given = scores > 0.5
    weights = np.random.default_rng(0).integers(0, 4, (len(targets), 5))
    small, large = (rates(targets, given, weights.astype(kind)) for kind in (np.float32, np.float64))
    assert isinstance(small, Rates)
    for a, b in zip(small, large, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
