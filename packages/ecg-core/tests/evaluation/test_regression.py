"""Errors of predicted numbers: closed forms, scikit-learn, and intervals over patients."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error as sklearn_mae
from sklearn.metrics import r2_score

from ecg_core.errors import DataError
from ecg_core.evaluation.regression import evaluate_numbers, mean_absolute_error, r_squared

NUMBERS = st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=30)


@settings(max_examples=60, deadline=None)
@given(NUMBERS)
def test_errors_are_those_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    truth, guess = np.array(pairs).T
    assert mean_absolute_error(truth, guess) == pytest.approx(sklearn_mae(truth, guess))
    if np.ptp(truth) > 1e-3:
        assert r_squared(truth, guess) == pytest.approx(r2_score(truth, guess))
        found = evaluate_numbers(truth, guess, name="age", repeats=2)
        assert found.r2.value == pytest.approx(r2_score(truth, guess), rel=1e-6)
        assert found.mae.value == pytest.approx(sklearn_mae(truth, guess))


def test_predictions_that_are_all_three_too_high() -> None:
    truth = np.linspace(40, 90, 26)
    found = evaluate_numbers(truth, truth + 3.0, name="hr", repeats=50)
    for estimate, value in ((found.mae, 3.0), (found.bias, 3.0), (found.deviation, 0.0)):
        assert [estimate.value, estimate.low, estimate.high] == pytest.approx([value] * 3, abs=1e-6)
    assert found.r2.value == pytest.approx(1 - 9 / truth.var())


def test_each_repeat_is_the_measure_of_the_patients_drawn() -> None:
    """Against records repeated as often as their patient is drawn."""
    from ecg_core.evaluation.bootstrap import clusters, multiplicities
    from ecg_core.evaluation.regression import _measures

    rng = np.random.default_rng(0)
    truth = rng.normal(60, 15, 40)
    guess = truth + rng.normal(1, 5, 40)
    codes = clusters([f"p{i // 3}" for i in range(40)], 40)
    weights = next(iter(multiplicities(codes, repeats=8, seed=1)))
    for column, found in zip(weights.T, _measures(truth, guess, weights).T, strict=True):
        times = column.astype(int)
        t, g = np.repeat(truth, times), np.repeat(guess, times)
        expected = [np.abs(g - t).mean(), r2_score(t, g), (g - t).mean(), (g - t).std()]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_patients_with_many_recordings_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    error = np.repeat(rng.normal(0, 5, 10), 20)  # ten patients, each with the same error twenty times
    patients = [f"p{i // 20}" for i in range(200)]
    truth = rng.normal(60, 10, 200)
    by_patient = evaluate_numbers(truth, truth + error, name="age", patients=patients)
    by_record = evaluate_numbers(truth, truth + error, name="age")
    assert by_patient.bias.high - by_patient.bias.low > 2 * (by_record.bias.high - by_record.bias.low)
    assert (by_patient.n_patients, by_record.n_patients) == (10, 200)


def test_recordings_without_a_label_take_no_part() -> None:
    found = evaluate_numbers([1.0, math.nan, 3.0], [1.0, 50.0, 5.0], name="age", patients=["a", "b", "c"], repeats=5)
    assert (found.n_records, found.n_patients, found.mae.value) == (2, 2, 1.0)


def test_equal_labels_have_no_r_squared_and_json_says_none() -> None:
    found = evaluate_numbers([2.0, 2.0], [1.0, 3.0], name="age", repeats=5)
    assert json.loads(json.dumps(found.to_dict()))["r2"] == {"value": None, "low": None, "high": None, "usable": 0}
    assert math.isnan(r_squared([], []))
    assert math.isnan(mean_absolute_error([], []))


@pytest.mark.parametrize(
    ("targets", "predictions", "message"),
    [
        ([1.0], [1.0, 2.0], r"one number for each record, got shapes \(1,\) and \(2,\)"),
        ([1.0], [math.nan], "must be finite numbers"),
        ([math.inf], [1.0], "must be finite numbers"),
        ([math.nan], [1.0], "no recording has a label for 'age'; there is nothing to compare with"),
    ],
)
def test_numbers_that_cannot_be_compared_are_refused(targets: list, predictions: list, message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate_numbers(targets, predictions, name="age")
