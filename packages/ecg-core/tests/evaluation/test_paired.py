"""Paired comparison against DeLong's test, and what a difference must do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from ecg_core.errors import DataError
from ecg_core.evaluation.bootstrap import bootstrap
from ecg_core.evaluation.metrics import auroc
from ecg_core.evaluation.paired import compare_scores, difference, p_words


def delong(target: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Standard error of the difference of two AUROCs and its two-sided p-value (DeLong et al. 1988), by its definition."""
    parts = []
    for score in (first, second):
        wins = (score[target][:, None] > score[~target]) + 0.5 * (score[target][:, None] == score[~target])
        parts.append((wins.mean(), wins.mean(axis=1), wins.mean(axis=0)))
    (a, a10, a01), (b, b10, b01) = parts
    s10, s01 = np.cov(a10, b10), np.cov(a01, b01)
    covariance = s10 / target.sum() + s01 / (~target).sum()
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    return error, 2 * norm.sf(abs(a - b) / error)


def world(seed: int, gain: float, records: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.random(records) < 0.35
    shared = rng.normal(size=records)
    return target, target * (1 + gain) + shared + 0.5 * rng.normal(size=records), target + shared + 0.5 * rng.normal(size=records)


def compared(seed: int, gain: float, **words):
    target, first, second = world(seed, gain)
    return compare_scores(target[:, None], first[:, None], second[:, None], name="other", classes=["MI"], **words)


@pytest.mark.parametrize(("seed", "gain"), [(0, 0.0), (1, 0.15), (2, 0.3)])
def test_the_spread_and_the_p_value_are_those_of_delong(seed: int, gain: float):
    error, p = delong(*world(seed, gain))
    found = compared(seed, gain, repeats=4000).auroc_difference
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(error, rel=0.08)
    assert found.p == pytest.approx(p, abs=0.03)


def test_pairing_halves_the_interval_that_two_independent_samples_would_give():
    found = compared(3, 0.1)
    apart, alone = found.per_class[0].auroc, found.auroc
    assert apart.high - apart.low < 0.5 * math.sqrt(2) * (alone.high - alone.low)


def test_p_values_of_equal_models_are_spread_evenly():
    values = np.array([compared(seed, 0.0, repeats=200).auroc_difference.p for seed in range(60)])
    assert values.mean() == pytest.approx(0.5, abs=3 * math.sqrt(1 / 12 / 60))
    assert (values < 0.1).mean() == pytest.approx(0.1, abs=0.12)


def test_a_model_does_not_differ_from_itself():
    target, first, _ = world(4, 0.2)
    same = compare_scores(target[:, None], first[:, None], first[:, None], name="twin", classes=["MI"], repeats=50)
    for apart in (same.auroc_difference, same.auprc_difference):
        assert (apart.value, apart.low, apart.high, apart.p) == (0, 0, 0, 1)


def test_exchanging_the_models_turns_the_sign_and_nothing_else():
    target, first, second = world(5, 0.2)
    words = {"classes": ["MI"], "repeats": 300, "patients": np.arange(len(target)) // 3}
    one = compare_scores(target[:, None], first[:, None], second[:, None], name="b", **words).auroc_difference
    two = compare_scores(target[:, None], second[:, None], first[:, None], name="a", **words).auroc_difference
    assert (one.value, one.low, one.high) == pytest.approx((-two.value, -two.high, -two.low))
    assert one.p == two.p


def test_known_draws_of_this_model_give_the_same_as_new_ones():
    target, first, second = world(6, 0.1)
    words = {"repeats": 100, "seed": 3}
    drawn = bootstrap(target[:, None], first[:, None], **words)
    given_, made = (
        compare_scores(target[:, None], first[:, None], second[:, None], name="b", classes=["MI"], drawn=d, **words)
        for d in (drawn, None)
    )
    assert given_ == made


def test_the_macro_difference_is_the_mean_over_classes_that_are_defined():
    rng = np.random.default_rng(0)
    targets = rng.random((200, 3)) < [0.4, 0.2, 0.0]
    first, second = (rng.normal(size=targets.shape) + g * targets for g in (2, 1))
    found = compare_scores(targets, first, second, name="b", classes=list("ABC"), repeats=50)
    assert found.auroc_difference.value == pytest.approx(np.nanmean(auroc(targets, first) - auroc(targets, second)))
    assert str(found.per_class[2].auroc) == "undefined"
    assert math.isnan(found.per_class[2].auroc.p)


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40))
def test_a_p_value_is_never_zero_and_never_above_one(values: list[float]):
    found = difference(float(np.mean(values)), np.array(values))
    assert 2 / (1 + len(values)) <= found.p or found.p == 1
    assert found.p <= 1


def test_a_p_value_counts_the_draws_on_the_other_side():
    assert difference(1.0, np.array([1.0] * 97 + [-1.0] * 2)).p == pytest.approx(2 * 3 / 100)


def test_small_p_values_are_printed_as_a_bound():
    assert [p_words(p) for p in (0.0004, 0.0123, math.nan)] == ["< 0.001", "0.012", "undefined"]


def test_scores_of_other_records_are_refused():
    with pytest.raises(
        DataError, match=r"other must be scored on the same records and classes, got shapes \(4, 1\) and \(3, 1\)"
    ):
        compare_scores(np.eye(4)[:, :1], np.ones((4, 1)), np.ones((3, 1)), name="other", classes=["MI"])
