"""Labels of samples and events are judged against closed forms, scikit-learn and the errors of delineation by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from ecg_core.errors import DataError
from ecg_core.evaluation.delineation import Waves, delineation_errors
from ecg_core.evaluation.samples import LabelledRecording, SampleEvaluation, evaluate_samples

CLASSES, FS = ("none", "P", "QRS"), 500.0
NONE: dict[str, np.ndarray] = {}


def random_recordings(count: int = 6, samples: int = 400) -> list[LabelledRecording]:
    rng = np.random.default_rng(0)
    made = []
    for i in range(count):
        truth = rng.integers(-1, 3, samples)
        found = np.where(rng.random(samples) < 0.7, np.maximum(truth, 0), rng.integers(0, 3, samples))
        made.append(LabelledRecording(truth, found, NONE, NONE, f"p{i // 2}"))
    return made


def test_samples_are_judged_as_scikit_learn_does_on_what_is_known():
    made = random_recordings()
    result = evaluate_samples(made, classes=CLASSES, kinds={}, fs=FS, repeats=50)
    truth = np.concatenate([one.truth for one in made])
    found = np.concatenate([one.found for one in made])[truth >= 0]
    truth = truth[truth >= 0]
    for judge, name in ((f1_score, "f1"), (recall_score, "sensitivity"), (precision_score, "ppv")):
        expected = judge(truth, found, average=None)
        np.testing.assert_allclose([getattr(each, name).value for each in result.per_class], expected)
    assert result.macro_f1.value == pytest.approx(f1_score(truth, found, average="macro"))
    assert [each.samples for each in result.per_class] == np.bincount(truth).tolist()
    assert (result.n_records, result.n_patients) == (6, 3)
    for each in (*result.per_class,):
        assert each.f1.low <= each.f1.value <= each.f1.high


def test_intervals_are_those_of_drawing_whole_patients():
    """Two patients, one perfect and one always wrong: a repeat draws (0, 1, 2) of the perfect one, with chances 1/4, 1/2, 1/4."""
    right = LabelledRecording(np.array([1, 1]), np.array([1, 1]), NONE, NONE, "a")
    wrong = LabelledRecording(np.array([1, 1]), np.array([2, 2]), NONE, NONE, "b")
    result = evaluate_samples([right, wrong], classes=CLASSES, kinds={}, fs=FS, repeats=400)
    p = result.per_class[1]
    assert (p.sensitivity.value, p.sensitivity.low, p.sensitivity.high) == (0.5, 0.0, 1.0)


def test_events_have_the_errors_of_the_delineation_table():
    rng = np.random.default_rng(1)
    truths, founds, made = [], [], []
    for _ in range(5):
        onsets = np.sort(rng.choice(np.arange(100, 4900, 160), 20, replace=False))
        moved = np.sort(np.delete(onsets + rng.integers(-30, 31, 20), [3]))
        known = np.zeros(5000, dtype=int)
        made.append(LabelledRecording(known, known, {"wave/qrs_on/II": onsets}, {"wave/qrs_on/II": moved}))
        truths.append({"QRS": Waves(onsets, [])})
        founds.append({"QRS": Waves(moved, [])})
    (event,) = evaluate_samples(made, classes=CLASSES, kinds={"wave/qrs_on/II": "QRS onset"}, fs=FS, repeats=20).events
    expected = delineation_errors(truths, founds, fs=FS, waves=["QRS"])[0]
    assert (event.found, event.missed, event.alarms) == (expected.found, expected.missed, expected.alarms)
    assert event.mean_ms == pytest.approx(expected.mean_ms)
    assert event.sd_ms == pytest.approx(expected.sd_ms)
    assert event.sensitivity.value == pytest.approx(expected.sensitivity)
    assert event.ppv.value == pytest.approx(expected.ppv)


def test_a_detection_where_nothing_is_known_is_no_alarm_and_may_be_a_hit():
    truth = np.full(1000, -1)
    truth[500:] = 0
    events = {"r_peaks": np.array([505, 800])}
    detections = {"r_peaks": np.array([100, 498, 700, 801])}
    one = LabelledRecording(truth, np.zeros(1000, dtype=int), events, detections)
    (event,) = evaluate_samples([one], classes=CLASSES, kinds={"r_peaks": "R peak"}, fs=FS, tolerance=0.05, repeats=5).events
    assert (event.found, event.missed, event.alarms) == (2, 0, 1)
    assert event.mean_ms == pytest.approx(1000 * (-7 + 1) / 2 / FS)


def test_a_kind_that_never_occurs_has_no_score_and_the_rest_have():
    one = LabelledRecording(np.zeros(10, dtype=int), np.zeros(10, dtype=int), NONE, NONE)
    result = evaluate_samples([one], classes=CLASSES, kinds={"beat/V": "beat V"}, fs=FS, repeats=5)
    assert np.isnan(result.events[0].f1.value)
    assert result.macro_f1.value == 1
    assert "undefined" in str(result)
    assert SampleEvaluation.from_dict(result.to_dict()).to_dict() == result.to_dict()
    assert list(result.events_table()["event"]) == ["beat V"]


@pytest.mark.parametrize(
    ("recordings", "words"),
    [
        ([], "no recording to judge"),
        ([LabelledRecording(np.zeros(3, int), np.zeros(4, int), NONE, NONE)], r"truth has \(3,\) samples and the labels \(4,\)"),
    ],
)
def test_what_cannot_be_judged_is_said(recordings, words):
    with pytest.raises(DataError, match=words):
        evaluate_samples(recordings, classes=CLASSES, kinds={}, fs=FS)
