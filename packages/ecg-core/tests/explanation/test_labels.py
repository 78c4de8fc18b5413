"""Labels on ECG paper stand where their samples are, and each class is told by more than its colour."""

import numpy as np
import pytest

from ecg_core.data.record import Record
from ecg_core.errors import DataError
from ecg_core.explanation.arrangement import arrange
from ecg_core.explanation.labels import draw_labels, letters_of

pytest.importorskip("matplotlib")

CLASSES = ("none", "P", "QRS", "T")


@pytest.fixture
def record() -> Record:
    rng = np.random.default_rng(0)
    return Record(rng.normal(0, 0.1, (1, 1000)).astype(np.float32), 250.0, ("II",), "r1")


def boxes(figure, height: float):
    """``(left, width)`` in mm of the rectangles of this height, from left to right."""
    found = [p for p in figure.axes[0].patches if abs(p.get_height() - height) < 1e-6]
    return sorted((round(p.get_x(), 3), round(p.get_width(), 3)) for p in found)


def test_a_stretch_is_shaded_where_it_was_found_and_boxed_where_it_is_true(record):
    found, truth = np.zeros(1000, int), np.zeros(1000, int)
    found[250:300], truth[260:310] = 2, 2
    figure = draw_labels(record, found=found, truth=truth, classes=CLASSES)
    left = arrange(record, layout="rows").left
    assert boxes(figure, 2.9) == [(left + 25.0, 5.0), (left + 26.0, 5.0)]  # 25 mm/s: 1 s is 25 mm, 50 samples are 5 mm
    shaded = [p for p in figure.axes[0].patches if p.get_alpha() == 0.17]
    assert [(p.get_x(), p.get_width()) for p in shaded] == [(left + 25.0, 5.0)]
    letters = [t for t in figure.axes[0].texts if t.get_text() == "Q"]
    assert len(letters) == 2


def test_a_stretch_without_room_for_its_letter_is_hatched(record):
    found = np.zeros(1000, int)
    found[100:110] = 1  # 1 mm
    figure = draw_labels(record, found=found, truth=np.zeros(1000, int), classes=CLASSES)
    assert not [t for t in figure.axes[0].texts if t.get_text() == "P"]
    assert [p.get_hatch() for p in figure.axes[0].patches if p.get_hatch()] == ["////"]


def test_what_is_not_annotated_is_grey_and_said(record):
    truth = np.full(1000, -1)
    truth[400:600] = 0
    figure = draw_labels(record, found=np.zeros(1000, int), truth=truth, classes=CLASSES)
    left = arrange(record, layout="rows").left
    assert boxes(figure, 2.9) == [(left, 40.0), (left + 60.0, 40.0)]
    words = " ".join(t.get_text() for t in figure.axes[0].texts)
    assert "grey: not annotated" in words


def test_the_legend_spells_out_shortened_classes_that_are_drawn(record):
    truth = np.zeros(1000, int)
    truth[300:400] = 2
    words = " ".join(t.get_text() for t in draw_labels(record, found=truth, truth=truth, classes=CLASSES).axes[0].texts)
    assert "Q: QRS" in words
    assert "n: none" not in words


def test_without_a_background_every_sample_is_shaded(record):
    zeros = np.zeros(1000, int)
    figure = draw_labels(record, found=zeros, truth=zeros, classes=("AFIB", "N"), background=None)
    assert [p.get_width() for p in figure.axes[0].patches if p.get_alpha() == 0.17] == [100.0]


def test_letters_tell_classes_apart_even_where_one_begins_another():
    assert letters_of(("N", "NSVT", "V")) == ("N", "NS", "V")
    assert len(set(letters_of(("a", "ab", "abc")))) == 3


@pytest.mark.parametrize(
    ("found", "truth", "words"),
    [
        (np.zeros(9, int), np.zeros(1000, int), r"found must be one class number per sample, \(1000,\), got \(9,\)"),
        (np.zeros(1000, int), np.zeros(9, int), r"truth must be one class number per sample"),
        (np.full(1000, -1), np.zeros(1000, int), "found must be numbers of 4 classes, from 0, got -1 to -1"),
        (np.zeros(1000, int), np.full(1000, 4), "truth must be numbers of 4 classes, from -1, got 4 to 4"),
    ],
)
def test_labels_that_do_not_fit_are_refused(record, found, truth, words):
    with pytest.raises(DataError, match=words):
        draw_labels(record, found=found, truth=truth, classes=CLASSES)
