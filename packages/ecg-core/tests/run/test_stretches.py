"""Rows of probabilities: stretches of one class, whatever pieces they come in, and the annotations they become."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_core.data.annotation_file import annotation_file_of
from ecg_core.data.step_target import StepTarget
from ecg_core.errors import DataError
from ecg_core.run.inference.stretches import Stretch, positions_of, stretches

FS = 100.0
CLASSES = ("none", "P", "QRS")


def sure(labels: list[int] | np.ndarray, probability: float = 0.8) -> np.ndarray:
    """Probabilities that say these labels."""
    out = np.full((len(CLASSES), len(labels)), (1 - probability) / (len(CLASSES) - 1))
    out[np.asarray(labels), np.arange(len(labels))] = probability
    return out


def test_each_stretch_has_its_ends_its_mean_probability_and_its_middle():
    found = stretches([(0, sure([0] * 5 + [1] * 10 + [0] * 5 + [2] * 4))], CLASSES, fs=FS)
    assert [(one.label, one.start, one.stop) for one in found] == [("P", 5, 15), ("QRS", 20, 24)]
    assert found[0].probability == pytest.approx(0.8)
    assert found[0].centre == pytest.approx(9.5)


def test_the_middle_is_that_of_the_probability():
    probabilities = sure([1] * 10)
    probabilities[1] = np.linspace(0.9, 0.5, 10)
    weights = probabilities[1]
    assert stretches([(0, probabilities)], CLASSES, fs=FS)[0].centre == pytest.approx(
        (weights * np.arange(10)).sum() / weights.sum()
    )


def test_a_gap_shorter_than_20_ms_is_none_and_so_is_a_stretch():
    fs = 500.0  # 20 ms are ten samples
    labels = [1] * 20 + [0] * 9 + [1] * 20 + [0] * 30 + [2] * 9 + [0] * 5
    assert [(one.start, one.stop) for one in stretches([(0, sure(labels))], CLASSES, fs=fs)] == [(0, 49)]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.lists(st.integers(1, 59), unique=True, max_size=5))
def test_pieces_say_what_the_whole_says(labels, cuts):
    whole = sure(labels)
    edges = [0, *sorted(cut for cut in cuts if cut < len(labels)), len(labels)]
    pieces = [(a, whole[:, a:b]) for a, b in itertools.pairwise(edges)]
    found, expected = stretches(pieces, CLASSES, fs=FS), stretches([(0, whole)], CLASSES, fs=FS)
    assert [(o.label, o.start, o.stop) for o in found] == [(o.label, o.start, o.stop) for o in expected]
    np.testing.assert_allclose([o.centre for o in found], [o.centre for o in expected])


def test_labels_of_a_delineation_come_back_as_its_onsets_and_offsets():
    qrs = {"wave/qrs_on/II": [35], "wave/qrs_peak/II": [38], "wave/qrs_off/II": [41]}
    marks = {**qrs, "wave/p_on/II": [20], "wave/p_peak/II": [25], "wave/p_off/II": [30]}
    positions = {name: np.array(places) for name, places in marks.items()}
    target = StepTarget.parse("waves", positions)
    labels = np.maximum(target.labels(positions, 0, 60, FS), 0)
    found = positions_of(stretches([(0, sure(labels))], CLASSES, fs=FS), target)
    assert {name: places.tolist() for name, places in found.items()} == marks


def test_beats_and_rhythms_come_back_where_they_are():
    beats = StepTarget("beats", ("none", "N", "V"))
    marks = {"beat/N": np.array([20, 60]), "beat/V": np.array([40])}
    found = positions_of(stretches([(0, sure(beats.labels(marks, 0, 80, FS)))], beats.classes, fs=FS), beats)
    assert {name: p.tolist() for name, p in found.items()} == {"beat/N": [20, 60], "beat/V": [40], "r_peaks": [20, 40, 60]}
    rhythms = StepTarget("rhythms", ("AFIB", "N", "VT"))
    labels = [0] * 30 + [1] * 30
    found = positions_of(stretches([(0, sure(labels))], rhythms.classes, fs=FS), rhythms)
    assert {name: p.tolist() for name, p in found.items()} == {"rhythm/AFIB": [0], "rhythm/N": [30]}


def test_a_model_that_was_not_trained_on_a_store_marks_events():
    assert {n: p.tolist() for n, p in positions_of([Stretch("noise", 3, 9, 0.7, 6.0)], None).items()} == {"event/noise": [3]}


def test_annotations_become_one_file_in_the_order_of_their_samples():
    file = annotation_file_of(
        {
            **{f"wave/p_{part}/II": np.array([place]) for part, place in (("on", 5), ("peak", 7), ("off", 9))},
            "beat/V": np.array([7, 2]),
            "r_peaks": np.array([7]),
            "rhythm/AFIB": np.array([2]),
        },
        fs=250.0,
    )
    assert list(zip(file.samples.tolist(), file.symbols, file.notes, strict=True)) == [
        (2, "+", "(AFIB"), (2, "V", ""), (5, "(", ""), (7, "V", ""), (7, "p", ""), (9, ")", ""),
    ]  # fmt: skip


def test_what_a_wfdb_file_has_no_symbol_for_is_said():
    with pytest.raises(DataError, match=r"'event/noise' have no symbol in a WFDB file; write CSV or Parquet instead"):
        annotation_file_of({"event/noise": np.array([1])}, fs=100.0)
