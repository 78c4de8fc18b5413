"""What annotations say about every sample: closed forms, and nothing said where nothing is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_core.data.step_target import StepTarget
from ecg_core.errors import DataError

FS = 100.0


def waves(lead: str = "II", **parts: list[int]) -> dict[str, np.ndarray]:
    return {f"wave/{name}/{lead}": np.array(places) for name, places in parts.items()}


DELINEATED = waves(
    p_on=[20], p_peak=[25], p_off=[30], qrs_on=[35], qrs_peak=[38], qrs_off=[41], t_on=[50], t_peak=[58], t_off=[66]
)


def test_waves_last_from_their_onset_to_their_offset_both_included():
    labels = StepTarget.parse("waves", DELINEATED).labels(DELINEATED, 0, 100, FS)
    expected = np.full(100, -1)
    expected[20:67] = 0
    expected[20:31], expected[35:42], expected[50:67] = 1, 2, 3
    assert labels.tolist() == expected.tolist()


def test_a_wave_without_one_of_its_ends_is_unknown_and_not_background():
    marks = DELINEATED | waves(qrs_off=[])
    labels = StepTarget.parse("waves", DELINEATED).labels(marks, 0, 100, FS)
    assert labels[35:39].tolist() == [-1] * 4
    assert labels[39] == 0


def test_a_wave_cut_by_the_edge_of_a_window_is_labelled_on_both_sides():
    target = StepTarget.parse("waves", DELINEATED)
    whole = target.labels(DELINEATED, 0, 100, FS)
    for cut in (25, 38, 45, 58, 66):
        parts = [target.labels(DELINEATED, 0, cut, FS), target.labels(DELINEATED, cut, 100, FS)]
        assert np.concatenate(parts).tolist() == whole.tolist()


def test_lead_II_is_taken_unless_another_is_named():
    both = {**waves("V2", qrs_on=[1], qrs_peak=[2], qrs_off=[3]), **DELINEATED}
    assert StepTarget.parse("waves", both).lead == "II"
    assert StepTarget.parse("waves/V2", both).lead == "V2"
    assert StepTarget.names(both) == ("waves/II", "waves/V2")


def test_a_beat_reaches_50_ms_to_either_side_and_the_nearer_one_wins():
    marks = {"beat/N": np.array([20, 60]), "beat/V": np.array([28])}
    target = StepTarget.parse("beats", marks)
    assert target.classes == ("none", "N", "V")
    labels = target.labels(marks, 0, 80, FS)
    expected = np.zeros(80, dtype=int)
    expected[15:25], expected[25:34], expected[55:66] = 1, 2, 1  # 24 is as far from either: the earlier
    assert labels.tolist() == expected.tolist()


def test_r_peaks_have_one_class_beside_none():
    target = StepTarget.parse("r_peaks", ["r_peaks"])
    labels = target.labels({"r_peaks": np.array([3])}, 0, 20, FS)
    assert (target.classes, labels.tolist()) == (("none", "R"), [1] * 9 + [0] * 11)


def test_a_rhythm_lasts_until_the_next_and_what_came_before_the_first_is_unknown():
    marks = {"rhythm/AFIB": np.array([10, 50]), "rhythm/N": np.array([30])}
    target = StepTarget.parse("rhythms", marks)
    assert target.classes == ("AFIB", "N")
    assert target.labels(marks, 0, 60, FS).tolist() == [-1] * 10 + [0] * 20 + [1] * 20 + [0] * 10
    assert target.labels(marks, 35, 40, FS).tolist() == [1] * 5  # it began before the window


@given(st.lists(st.integers(0, 999), unique=True, max_size=20), st.lists(st.integers(1, 999), unique=True, max_size=4))
def test_windows_of_a_recording_say_what_the_whole_says(places, cuts):
    marks = {"beat/N": np.array(sorted(places[::2]), dtype=int), "beat/V": np.array(sorted(places[1::2]), dtype=int)}
    target = StepTarget("beats", ("none", "N", "V"))
    edges = [0, *sorted(cuts), 1000]
    parts = [target.labels(marks, a, b, FS) for a, b in pairwise(edges)]
    assert np.concatenate(parts).tolist() == target.labels(marks, 0, 1000, FS).tolist()


@pytest.mark.parametrize(
    ("name", "there", "words"),
    [
        ("waves/V5", DELINEATED, "the waves of lead V5 are not annotated; annotated leads are: II"),
        ("waves", ["r_peaks"], "no wave is delineated"),
        ("beats", DELINEATED, "no annotations for 'beats'; targets of every sample are: waves/II"),
        ("r_peaks", [], "targets of every sample are: none"),
    ],
)
def test_what_is_not_annotated_is_said(name, there, words):
    with pytest.raises(DataError, match=words):
        StepTarget.parse(name, there)
