"""Scores of challenges: closed forms, and the rules as their organisers state them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from ecg_core.errors import DataError
from ecg_core.evaluation.challenges.cinc2017 import CINC2017_CLASSES, cinc2017_score
from ecg_core.evaluation.challenges.cinc2020 import cinc2020_score, read_weights
from ecg_core.evaluation.challenges.cpsc2019 import cpsc2019_qrs_score

NAMES = ("N", "AF", "PVC")
WEIGHTS = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.25], [0.0, 0.25, 1.0]])


def test_cinc_2017_is_the_mean_f1_of_three_classes_and_noise_is_only_reported():
    rng = np.random.default_rng(0)
    truth, answers = (rng.choice(CINC2017_CLASSES, 200) for _ in range(2))
    found = cinc2017_score(truth, answers)
    expected = f1_score(truth, answers, labels=list(CINC2017_CLASSES), average=None)
    assert found[:4] == pytest.approx(expected)
    assert found.score == pytest.approx(expected[:3].mean())


def test_cinc_2017_counts_twice_the_hits_over_row_and_column_of_the_table():
    # Of two normals one is found; one other is called normal: 2 * 1 / (2 + 2).
    found = cinc2017_score(["N", "N", "O", "A"], ["N", "O", "N", "A"])
    assert (found.normal, found.af, found.other) == (0.5, 1.0, 0.0)
    assert found.score == 0.5
    assert math.isnan(found.noisy)


def test_cinc_2017_refuses_what_it_does_not_know():
    with pytest.raises(DataError, match="the classes of CinC 2017 are N, A, O and ~, got AFIB"):
        cinc2017_score(["N"], ["AFIB"])
    with pytest.raises(DataError, match="each recording needs one answer, got 1 answers for 2 recordings"):
        cinc2017_score(["N", "A"], ["N"])


def test_cinc_2020_perfect_is_one_always_normal_is_zero():
    rng = np.random.default_rng(1)
    targets = rng.random((50, 3)) < 0.4
    normal = np.zeros_like(targets)
    normal[:, 0] = True
    assert cinc2020_score(targets, targets, WEIGHTS, classes=NAMES, normal="N") == pytest.approx(1)
    assert cinc2020_score(targets, normal, WEIGHTS, classes=NAMES, normal="N") == pytest.approx(0)


def test_cinc_2020_by_hand():
    # AF called AF and PVC: one point over two classes: (1 + 0.25) / 2. PVC called normal: 0 / 2.
    # Perfect 2; always normal: 0.5 / 2 + 0 / 2.
    found = cinc2020_score([[0, 1, 0], [0, 0, 1]], [[0, 1, 1], [1, 0, 0]], WEIGHTS, classes=NAMES, normal="N")
    assert found == pytest.approx((0.625 - 0.25) / (2 - 0.25))


def test_cinc_2020_may_be_negative_and_nothing_given_gains_nothing():
    targets = np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1]])
    assert cinc2020_score(targets, np.zeros_like(targets), WEIGHTS, classes=NAMES, normal="N") == pytest.approx(-2.0)


@settings(deadline=None)
@given(st.integers(0, 2**31))
def test_cinc_2020_equals_a_loop_over_records_and_pairs(seed: int):
    rng = np.random.default_rng(seed)
    targets, answers = (rng.random((6, 3)) < 0.5 for _ in range(2))
    targets[0], targets[1] = [True, False, False], [False, True, False]

    def total(decisions: np.ndarray) -> float:
        summed = 0.0
        for t, d in zip(targets, decisions, strict=True):
            pairs = [WEIGHTS[i, j] for i in range(3) for j in range(3) if t[i] and d[j]]
            summed += sum(pairs) / max((t | d).sum(), 1)
        return summed

    normal = np.tile([True, False, False], (6, 1))
    expected = (total(answers) - total(normal)) / (total(targets) - total(normal))
    assert cinc2020_score(targets, answers, WEIGHTS, classes=NAMES, normal="N") == pytest.approx(expected)


def test_cinc_2020_weights_come_from_a_square_table(tmp_path: Path):
    file = tmp_path / "weights.csv"
    file.write_text("," + ",".join(NAMES) + "\n" + "".join(f"{n},{','.join(map(str, w))}\n" for n, w in zip(NAMES, WEIGHTS)))
    names, weights = read_weights(file)
    assert names == NAMES
    np.testing.assert_array_equal(weights, WEIGHTS)
    for text in (",N,AF\nN,1,0\n", ",N,AF\nAF,1,0\nN,0,1\n", ",N\nN,\n"):
        file.write_text(text)
        with pytest.raises(DataError, match="must name the same classes above its columns and before its rows"):
            read_weights(file)
    file.write_text(",N\nN,much\n")
    with pytest.raises(DataError, match="is no table of weights"):
        read_weights(file)
    with pytest.raises(DataError, match="is no table of weights"):
        read_weights(tmp_path / "absent.csv")


def test_cinc_2020_refuses_what_does_not_fit():
    one = np.array([[1, 0, 0]])
    with pytest.raises(DataError, match="the normal class '426783006' is none of the classes N, AF, PVC"):
        cinc2020_score(one, one, WEIGHTS, classes=NAMES)
    with pytest.raises(DataError, match="calling every recording normal is a perfect answer here, so there is no scale"):
        cinc2020_score(one, one, WEIGHTS, classes=NAMES, normal="N")
    with pytest.raises(DataError, match=r"weights \(3, 3\), got shapes \(1, 3\), \(1, 3\) and \(2, 2\)"):
        cinc2020_score(one, one, np.eye(2), classes=NAMES, normal="N")
    with pytest.raises(DataError, match="given must be .records, classes. of 0 and 1"):
        cinc2020_score(one, one * 0.5, WEIGHTS, classes=NAMES, normal="N")


BEATS = [500, 1000, 1500]


@pytest.mark.parametrize(
    ("found", "score"),
    [
        ([500, 1000, 1500], 1.0),
        ([537, 963, 1500], 1.0),  # 74 ms late, 74 ms early
        ([537, 963, 1500, 1250], 0.7),  # one false alarm
        ([500, 1500], 0.3),  # one missed
        ([538, 1000, 1500], 0.0),  # 76 ms late: one missed and one false alarm
        ([500, 1000, 1500, 1200, 1300], 0.0),
        ([500], 0.0),
        ([500, 1000, 1500, 100], 1.0),  # in the first half second
        ([500, 1000, 1500, 4900], 1.0),  # in the last
        ([500, 510, 1000, 1500], 0.7),  # one beat found twice
        ([500, 1000, 1500, 260], 0.7),  # ahead of the first beat
    ],
)
def test_cpsc_2019_scores_by_false_alarms_and_missed_beats(found: list[int], score: float):
    assert cpsc2019_qrs_score([BEATS], [found], fs=500) == score


def test_cpsc_2019_leaves_out_beats_near_the_ends_and_what_belongs_to_them():
    # The beat at 245 lies in the first half second; its detection at 255 does not, and is no false alarm.
    assert cpsc2019_qrs_score([[245, 1000]], [[255, 1000]], fs=500) == 1.0
    assert cpsc2019_qrs_score([[245, 1000]], [[1000]], fs=500) == 1.0


def test_cpsc_2019_is_the_mean_over_recordings_at_any_sampling_frequency():
    slow = [np.array(BEATS) / 2, np.array(BEATS) / 2]
    assert cpsc2019_qrs_score(slow, [slow[0], slow[0][:2]], fs=250) == pytest.approx(0.65)
    with pytest.raises(DataError, match="each recording needs its detections, got 1 lists for 2 recordings"):
        cpsc2019_qrs_score(slow, slow[:1], fs=250)
