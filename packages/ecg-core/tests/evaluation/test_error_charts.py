"""Charts of errors show the numbers they are given: bars of the right height, dots and lines at the right place."""

import re

import numpy as np
import pytest

from ecg_core.errors import DataError
from ecg_core.evaluation.error_charts import agreement_chart, error_histogram, prediction_chart


def bars(svg: str) -> np.ndarray:
    """Heights in pixels, one for each bar, of the only histogram."""
    points = re.search(r'<polygon points="([^"]+)"', svg).group(1).split()
    downs = np.array([float(p.split(",")[1]) for p in points])
    return downs[0] - downs[1:-1:2]


def test_every_event_is_in_a_bar_and_the_middle_bar_stands_on_zero():
    # 250 Hz: steps of 4 ms, bars of 12 ms; 0 and ±4 are in the middle bar, +8 and -8 beside it.
    heights = bars(error_histogram([(-8, 1), (-4, 2), (0, 5), (4, 1), (8, 4)], "QRS onset", fs=250, tolerance_ms=150))
    shares = heights / heights.sum()
    middle = len(heights) // 2
    assert len(heights) % 2 == 1
    assert shares[middle] == pytest.approx(8 / 13, abs=0.01)
    assert shares[middle - 1] == pytest.approx(1 / 13, abs=0.01)
    assert shares[middle + 1] == pytest.approx(4 / 13, abs=0.01)


@pytest.mark.parametrize("fs", [100, 128, 250, 360, 500, 1000])
def test_equal_errors_at_every_step_give_equal_bars_at_any_sampling_frequency(fs):
    reach = int(0.15 * fs)
    heights = bars(error_histogram([(1000 * k / fs, 1) for k in range(-reach, reach + 1)], "R peak", fs=fs, tolerance_ms=150))
    inner = heights[1:-1]
    assert inner.max() - inner.min() < 0.2  # pixels are written with one decimal


def test_all_errors_zero_are_one_bar():
    heights = bars(error_histogram([(0.0, 7)], "R peak", fs=float("nan"), tolerance_ms=150))
    assert (heights > 0).sum() == 1


def test_the_agreement_chart_states_bias_and_limits():
    truth = np.array([50.0, 60, 70, 80])
    svg = agreement_chart(truth, truth + [1, 3, 1, 3], "rate")  # bias 2, deviation 1
    assert "bias +2" in svg
    assert "limits +0.04, +3.96" in svg
    assert svg.count("<circle") == 4


def test_right_predictions_lie_on_the_diagonal():
    svg = prediction_chart([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], "age")
    dots = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)]
    left, down = map(float, re.search(r'M([\d.]+) ([\d.]+)L[\d.]+ [\d.]+" fill="none" style', svg).groups())
    slopes = [(down - y) / (x - left) for x, y in dots if x > left + 1]
    assert np.ptp(slopes) < 0.01


def test_very_many_records_are_drawn_by_some_and_equal_ones_by_one_point():
    many = np.arange(10_000.0)
    assert prediction_chart(many, many, "x").count("<circle") == 1500
    assert agreement_chart([5.0], [5.0], "x").count("<circle") == 1


def test_nothing_to_draw_is_said():
    with pytest.raises(DataError, match="no P onset was found, so there are no errors to draw"):
        error_histogram([], "P onset", fs=250, tolerance_ms=150)
    with pytest.raises(DataError, match=r"one true and one predicted number for each record, got \(2,\) and \(3,\)"):
        prediction_chart([1, 2], [1, 2, 3], "x")
