"""Curves against scikit-learn and their areas; pictures as XML that says what it shows."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve

from ecg_core.errors import DataError
from ecg_core.evaluation.charts import calibration_chart, learning_chart, precision_recall_chart, roc_chart, score_histogram
from ecg_core.evaluation.curves import precision_recall_points, reliability, roc_points
from ecg_core.evaluation.metrics import auprc, auroc
from ecg_core.evaluation.svg import Plot, nice_ticks

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    targets = rng.random((400, 3)) < [0.5, 0.2, 0.0]
    return targets, np.round(1 / (1 + np.exp(-(rng.normal(size=targets.shape) + 2 * targets - 1))), 2)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_roc_points_are_those_of_scikit_learn_and_enclose_the_auroc(scored):
    targets, scores = scored[0][:, 0], scored[1][:, 0]
    x, y = roc_points(targets, scores)
    expected_x, expected_y, _ = roc_curve(targets, scores, drop_intermediate=False)
    np.testing.assert_allclose((x, y), (expected_x, expected_y))
    assert np.trapezoid(y, x) == pytest.approx(auroc(*scored)[0])


def test_the_stairs_of_precision_and_recall_enclose_the_average_precision(scored):
    recall, precision = precision_recall_points(scored[0][:, 1], scored[1][:, 1])
    assert np.trapezoid(precision, recall) == pytest.approx(auprc(*scored)[1])
    assert (recall[0], recall[-1]) == (0, 1)
    assert precision[-1] == pytest.approx(scored[0][:, 1].mean())


def test_reliability_bins_are_those_of_scikit_learn_and_hold_every_record(scored):
    target, score = scored[0][:, 0], np.random.default_rng(1).random(400)
    mean, fraction, records = reliability(target, score)
    expected_fraction, expected_mean = calibration_curve(target, score, n_bins=10)
    np.testing.assert_allclose((mean, fraction), (expected_mean, expected_fraction))
    assert records.sum() == 400


def test_a_score_of_exactly_one_falls_into_the_last_bin():
    assert reliability(np.array([True, False]), np.array([1.0, 0.0])) == (
        pytest.approx([0.0, 1.0]),
        pytest.approx([0.0, 1.0]),
        pytest.approx([1, 1]),
    )


@pytest.mark.parametrize("chart", [roc_chart, precision_recall_chart, calibration_chart])
def test_charts_name_the_classes_they_draw_and_leave_out_the_undefined(chart, scored):
    svg = chart(*scored, ["NORM", "MI", "WPW"])
    words = " ".join(texts(svg))
    assert "NORM" in words
    assert "MI" in words
    assert "WPW" not in svg


def test_the_legend_holds_the_area_of_each_class(scored):
    words = texts(roc_chart(*scored, ["NORM", "MI", "WPW"]))
    assert f"NORM {auroc(*scored)[0]:.3f}" in words
    words = texts(precision_recall_chart(*scored, ["NORM", "A class whose name is long", "WPW"]))
    assert f"A class whose… {auprc(*scored)[1]:.3f}" in words


def test_from_the_seventh_class_on_lines_are_grey_and_counted():
    rng = np.random.default_rng(0)
    targets = rng.random((300, 9)) < np.linspace(0.5, 0.1, 9)
    svg = roc_chart(targets, rng.random(targets.shape), [f"c{i}" for i in range(9)])
    assert "3 more" in texts(svg)
    assert not any(text.startswith("c8") for text in texts(svg))


def test_a_perfect_class_runs_through_the_upper_left_corner():
    target = np.array([[1], [1], [0], [0]])
    svg = roc_chart(target, target, ["MI"])
    curve = ElementTree.fromstring(svg).findall(f"{SVG}path")[-2].get("d", "")
    assert curve == "M50.0 280.0L50.0 10.0L346.0 10.0"  # bottom left, top left, top right of the axes


def test_charts_carry_no_ids_no_dates_and_repeat_to_the_byte(scored):
    for chart in (roc_chart, precision_recall_chart, calibration_chart):
        first = chart(*scored, ["a", "b", "c"])
        assert first == chart(*scored, ["a", "b", "c"])
        assert not re.search(r"\bid=|<script|\d{4}-\d\d-\d\d|url\(", first)


def test_words_are_escaped(scored):
    name = '<script>"&'
    for svg in (
        roc_chart(*scored, [name, "b", "c"]),
        score_histogram(scored[0][:, 0], scored[1][:, 0], name),
        learning_chart([{"step": 1, name: 2.0}], [name]),
    ):
        assert "<script" not in svg
        ElementTree.fromstring(svg)


def test_each_group_of_the_histogram_adds_up_to_one(scored):
    svg = score_histogram(scored[0][:, 1], scored[1][:, 1], "MI", bins=10)
    count = int(scored[0][:, 1].sum())
    assert {f"without ({400 - count})", f"with MI ({count})"} <= set(texts(svg))
    polygons = ElementTree.fromstring(svg).findall(f"{SVG}polygon")
    numbers = [element for element in ElementTree.fromstring(svg).iter(f"{SVG}text") if element.get("text-anchor") == "end"]
    top = max(float(element.text or "") for element in numbers)  # of the vertical axis
    for polygon in polygons:
        downs = [float(point.split(",")[1]) for point in (polygon.get("points") or "").split()]
        heights = [(downs[0] - down) / (downs[0] - 10) for down in downs[1:-1:2]]
        assert sum(heights) * top == pytest.approx(1.0, abs=0.02)


def test_logits_have_a_histogram_over_their_own_range_and_no_calibration(scored):
    logits = scored[1] * 20 - 10
    assert "-10" in texts(score_histogram(scored[0][:, 0], logits[:, 0], "MI"))
    with pytest.raises(DataError, match=r"calibration needs probabilities in \[0, 1\], got scores from -9"):
        calibration_chart(scored[0], logits, ["a", "b", "c"])


def test_learning_curves_take_what_each_line_has_and_show_the_last_value():
    history = [{"step": s, "loss": 1 / s} for s in range(1, 2001)]
    history += [{"step": 1000, "val_loss": 0.5}, {"step": 2000, "val_loss": 0.25}, {"step": 2000, "loss": float("nan")}]
    svg = learning_chart(history)
    assert {"loss 0.0005", "val_loss 0.25", "Step", "Loss"} <= set(texts(svg))
    assert len(svg) < 12_000  # 2000 points are thinned


def test_a_history_by_epoch_or_of_one_line_can_be_drawn():
    assert "Epoch" in texts(learning_chart([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.4}]))
    assert "Line" in texts(learning_chart([{"loss": 0.5}]))


def test_a_history_without_the_keys_says_so():
    with pytest.raises(DataError, match="no line of the history holds a number for loss or val_loss"):
        learning_chart([{"step": 1, "loss": None}])


def test_values_that_are_not_finite_leave_a_gap():
    plot = Plot(x=(0, 4), y=(0, 1), x_label="", y_label="", x_ticks=[0], y_ticks=[0])
    plot.line(np.arange(5.0), np.array([0, 1, np.nan, 1, 0]), colour="red")
    assert plot.marks[-1].count("M") == 2


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_evenly_spaced_and_embrace_the_range(low, span):
    ticks = nice_ticks(low, low + span)
    steps = np.diff(ticks)
    assert 2 <= len(ticks) <= 9
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    assert ticks[0] <= low + span * 1e-6
    assert ticks[-1] >= low + span * (1 - 1e-6)
