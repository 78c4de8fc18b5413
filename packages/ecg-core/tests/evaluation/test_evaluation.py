"""The evaluation of scores: its numbers, its words and its way through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ecg_core.errors import DataError
from ecg_core.evaluation.evaluation import Evaluation, evaluate_scores
from ecg_core.evaluation.metrics import auprc, auroc
from ecg_core.evaluation.thresholds import Thresholds

CLASSES = ("NORM", "MI", "AFIB", "WPW")


@pytest.fixture(scope="module")
def scored() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    targets = (rng.random((300, 4)) < [0.5, 0.2, 0.1, 0.0]).astype(int)
    return targets, rng.normal(size=targets.shape) + targets


@pytest.fixture(scope="module")
def evaluation(scored) -> Evaluation:
    patients = [f"p{i // 2}" for i in range(300)]
    return evaluate_scores(*scored, classes=CLASSES, patients=patients, repeats=200)


def test_values_are_those_of_the_metrics(scored, evaluation):
    np.testing.assert_array_equal([r.auroc.value for r in evaluation.per_class], auroc(*scored))
    np.testing.assert_array_equal([r.auprc.value for r in evaluation.per_class], auprc(*scored))
    assert evaluation.macro_auroc.value == pytest.approx(np.mean(auroc(*scored)[:3]))


def test_values_lie_in_their_intervals(evaluation):
    for estimate in (evaluation.macro_auroc, evaluation.macro_auprc, *(r.auroc for r in evaluation.per_class[:3])):
        assert estimate.low < estimate.value < estimate.high


def test_the_mean_is_surer_than_its_rarest_class(evaluation):
    rarest = evaluation.per_class[2].auroc
    assert evaluation.macro_auroc.high - evaluation.macro_auroc.low < rarest.high - rarest.low


def test_records_patients_and_positives_are_counted(scored, evaluation):
    assert (evaluation.n_records, evaluation.n_patients) == (300, 150)
    assert [r.positives for r in evaluation.per_class] == scored[0].sum(axis=0).tolist()


def test_patients_are_unknown_when_nobody_named_one_and_single_unknown_ones_count_for_themselves(scored):
    assert evaluate_scores(*scored, classes=CLASSES, repeats=1).n_patients is None
    assert evaluate_scores(*scored, classes=CLASSES, patients=[None] * 300, repeats=1).n_patients is None
    assert evaluate_scores(*scored, classes=CLASSES, patients=["a"] * 298 + [None] * 2, repeats=1).n_patients == 3


def test_a_class_without_positives_is_named_and_not_averaged(evaluation):
    assert evaluation.undefined == ("WPW",)
    assert evaluation.per_class[3].auroc.usable == 0
    assert "left out of the means, for want of a positive or a negative: WPW" in str(evaluation)


def test_the_printed_table_has_aligned_columns_and_says_how_the_intervals_were_made(evaluation):
    lines = str(evaluation).splitlines()
    assert len({len(line) for line in lines[: len(CLASSES) + 2]}) == 1
    assert "undefined" in lines[4]
    assert lines[-2] == "300 records, 150 patients; 95% intervals from 200 bootstrap repeats"


def test_json_brings_the_evaluation_back(evaluation):
    text = json.dumps(evaluation.to_dict(), allow_nan=False)
    again = Evaluation.from_dict(json.loads(text))
    assert again.to_dict() == evaluation.to_dict()
    assert again.undefined == evaluation.undefined
    assert str(again) == str(evaluation)


def test_the_table_has_a_row_per_class_and_numbers_in_its_columns(evaluation):
    table = evaluation.table().set_index("class")
    assert table.index.tolist() == list(CLASSES)
    assert table.loc["MI", "auprc_high"] == evaluation.per_class[1].auprc.high
    assert table.loc["WPW", ["auroc", "auroc_low"]].isna().all()


def test_the_same_seed_gives_the_same_evaluation(scored):
    first, second = (evaluate_scores(*scored, classes=CLASSES, repeats=50, seed=4).to_dict() for _ in range(2))
    assert first == second


def test_when_no_class_is_defined_the_mean_is_undefined_and_nothing_warns(scored):
    nothing = evaluate_scores(np.zeros((5, 1)), np.arange(5.0)[:, np.newaxis], classes=["MI"], repeats=10)
    assert str(nothing.macro_auroc) == "undefined"


def test_what_does_not_fit_is_said_in_one_sentence(scored):
    with pytest.raises(DataError, match="classes must name each of the 4 score columns, got 1 names"):
        evaluate_scores(*scored, classes="NORM")
    with pytest.raises(DataError, match="class names must be unique, got MI twice"):
        evaluate_scores(*scored, classes=["MI", "MI", "NORM", "AFIB"])
    with pytest.raises(DataError, match="thresholds are for the classes A, B, the scores for NORM, MI, AFIB, WPW"):
        evaluate_scores(*scored, classes=CLASSES, thresholds=Thresholds.argmax(("A", "B")))
