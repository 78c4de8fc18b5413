"""AUROC and AUPRC against counted pairs, scikit-learn and the laws a rank statistic obeys."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from ecg_core.errors import DataError
from ecg_core.evaluation.metrics import auprc, auroc, macro, micro_auprc, micro_auroc


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)[:, np.newaxis]


def scored(seed: int, records: int = 200, classes: int = 4, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = (rng.random((records, classes)) < np.linspace(0.05, 0.6, classes)).astype(int)
    targets[:2] = [[1], [0]]  # every class has a positive and a negative
    scores = rng.normal(size=targets.shape) + targets
    return targets, np.round(scores) if ties else scores


def test_auroc_is_the_fraction_of_positive_negative_pairs_in_the_right_order():
    targets, scores = scored(0, records=60, classes=1, ties=True)
    pairs = itertools.product(scores[targets == 1], scores[targets == 0])
    wins = [1.0 if high > low else 0.5 if high == low else 0.0 for high, low in pairs]
    assert auroc(targets, scores) == pytest.approx([np.mean(wins)], abs=1e-12)


def test_average_precision_of_hits_at_ranks_one_and_three_is_five_sixths():
    assert auprc(column(1, 0, 1, 0), column(0.9, 0.7, 0.6, 0.2)) == pytest.approx([(1 / 1 + 2 / 3) / 2])


@pytest.mark.parametrize("ties", [False, True])
def test_micro_areas_are_those_of_scikit_learn(ties):
    targets, scores = scored(7, ties=ties)
    assert micro_auroc(targets, scores) == pytest.approx(roc_auc_score(targets, scores, average="micro"), abs=1e-12)
    assert micro_auprc(targets, scores) == pytest.approx(average_precision_score(targets, scores, average="micro"), abs=1e-12)


def test_perfect_inverted_and_constant_scores_give_one_zero_and_one_half():
    targets = column(1, 1, 0, 0, 0)
    assert auroc(targets, targets) == [1.0]
    assert auroc(targets, -targets) == [0.0]
    assert auroc(targets, 0 * targets) == [0.5]


def test_constant_scores_have_the_prevalence_as_average_precision():
    assert auprc(column(1, 0, 0, 0, 0), column(3, 3, 3, 3, 3)) == pytest.approx([0.2])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_areas_equal_those_of_scikit_learn(ties, weighted):
    for seed in range(5):
        targets, scores = scored(seed, ties=ties)
        weights = np.random.default_rng(seed).gamma(1.0, size=len(targets)) if weighted else None
        columns = list(zip(targets.T, scores.T, strict=True))
        expected = [roc_auc_score(t, s, sample_weight=weights) for t, s in columns]
        np.testing.assert_allclose(auroc(targets, scores, weights), expected, atol=1e-12)
        expected = [average_precision_score(t, s, sample_weight=weights) for t, s in columns]
        np.testing.assert_allclose(auprc(targets, scores, weights), expected, atol=1e-12)


def test_a_weight_of_three_equals_the_record_three_times():
    targets, scores = scored(1, ties=True)
    times = np.random.default_rng(2).integers(0, 4, size=len(targets))
    repeated_targets, repeated_scores = np.repeat(targets, times, axis=0), np.repeat(scores, times, axis=0)
    np.testing.assert_allclose(auroc(targets, scores, times), auroc(repeated_targets, repeated_scores), atol=1e-12)
    np.testing.assert_allclose(auprc(targets, scores, times), auprc(repeated_targets, repeated_scores), atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-20, 20)), min_size=2, max_size=40))
def test_only_the_order_of_scores_matters(records):
    targets = column(*(float(t) for t, _ in records))
    scores = column(*(s for _, s in records))
    for area in (auroc, auprc):
        np.testing.assert_array_equal(area(targets, scores), area(targets, np.exp(scores / 4)))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40))
def test_turning_all_scores_round_turns_auroc_round(records):
    targets = column(*(float(t) for t, _ in records))
    scores = column(*(s for _, s in records))
    np.testing.assert_allclose(auroc(targets, -scores), 1 - auroc(targets, scores), atol=1e-12)
    np.testing.assert_allclose(auroc(1 - targets, scores), 1 - auroc(targets, scores), atol=1e-12)


def test_records_may_come_in_any_order():
    targets, scores = scored(3, ties=True)
    shuffled = np.random.default_rng(0).permutation(len(targets))
    np.testing.assert_allclose(auprc(targets[shuffled], scores[shuffled]), auprc(targets, scores), atol=1e-12)


def test_a_class_without_positives_or_without_negatives_is_nan_and_the_others_are_not():
    targets = np.array([[0, 1, 1], [0, 1, 0]])
    scores = np.array([[0.1, 0.2, 0.8], [0.3, 0.4, 0.5]])
    np.testing.assert_array_equal(auroc(targets, scores), [np.nan, np.nan, 1.0])
    np.testing.assert_array_equal(auprc(targets, scores), [np.nan, np.nan, 1.0])


def test_a_class_whose_positives_all_weigh_nothing_is_nan():
    assert np.isnan(auroc(column(1, 0, 0), column(3, 2, 1), [0, 1, 1])).all()
    assert np.isnan(auprc(column(1, 0, 0), column(3, 2, 1), [1, 0, 0])).all()


def test_arguments_are_not_modified():
    targets, scores = scored(4)
    before = targets.copy(), scores.copy()
    auroc(targets, scores)
    np.testing.assert_array_equal(targets, before[0])
    np.testing.assert_array_equal(scores, before[1])


def test_macro_is_the_mean_of_the_defined_and_names_the_undefined():
    assert macro([0.5, np.nan, 1.0], ["MI", "AFIB", "NORM"]) == (0.75, ("AFIB",))
    assert macro([0.5, np.nan, 1.0]).undefined == ("1",)
    nothing = macro([np.nan], ["MI"])
    assert np.isnan(nothing.value)
    assert nothing.undefined == ("MI",)


@pytest.mark.parametrize(
    ("targets", "scores", "weights", "sentence"),
    [
        ([1, 0], [0.5, 0.2], None, r"targets and scores must both be \(records, classes\), got shapes \(2,\) and \(2,\)"),
        ([[1], [0]], [[0.5]], None, r"got shapes \(2, 1\) and \(1, 1\)"),
        (np.zeros((0, 3)), np.zeros((0, 3)), None, r"nothing to score: targets have shape \(0, 3\)"),
        ([["a"]], [[0.5]], None, r"must be numbers, got <U1 and float64"),
        ([[1, 0], [0, 2]], [[0, 0], [0, 0]], None, "targets must be 0 or 1, got 2 at record 1, class 1"),
        ([[np.nan]], [[0.5]], None, "targets must be 0 or 1, got nan at record 0, class 0"),
        ([[1], [0], [0]], [[0.5], [np.inf], [np.nan]], None, r"got 2 NaN or infinite \(the first at record 1, class 0\)"),
        ([[1], [0]], [[0.5], [0.1]], [1], r"weights must be \(2,\), one per record, got shape \(1,\)"),
        ([[1], [0]], [[0.5], [0.1]], [1, -1], "weights must be finite and not negative"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(targets, scores, weights, sentence):
    with pytest.raises(DataError, match=sentence):
        auroc(targets, scores, weights)


def test_macro_refuses_names_that_do_not_fit():
    with pytest.raises(DataError, match=r"one value per class, got values of shape \(2,\) for 1 classes"):
        macro([0.5, 0.6], ["MI"])
