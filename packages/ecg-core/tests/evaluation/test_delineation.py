"""Delineation: points that were moved by known amounts, and matching against every possible matching."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_core.errors import DataError
from ecg_core.evaluation.delineation import Waves, delineation_errors, delineation_table
from ecg_core.evaluation.matching import matched

FS = 500.0
times = st.lists(st.integers(0, 60), max_size=6).map(sorted)


@given(times, times)
@settings(max_examples=150, deadline=None)
def test_no_matching_has_more_pairs_or_is_closer(truth: list[int], found: list[int]):
    a, b = np.array(truth, dtype=float), np.array(found, dtype=float)
    pairs = matched(a, b, tolerance=10)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(abs(a[i] - b[j]) <= 10 for i, j in pairs)
    cost = sum(abs(a[i] - b[j]) for i, j in pairs)
    size = min(len(a), len(b))
    for count in range(size, 0, -1):  # every set of events with every ordered set of detections
        costs = [
            sum(abs(a[i] - b[j]) for i, j in zip(events, chosen, strict=True))
            for events in itertools.combinations(range(len(a)), count)
            for chosen in itertools.combinations(range(len(b)), count)
            if all(abs(a[i] - b[j]) <= 10 for i, j in zip(events, chosen, strict=True))
        ]
        if costs:
            assert (len(pairs), cost) == (count, min(costs))
            return
    assert pairs == []


def test_the_tolerance_itself_still_matches():
    assert matched(np.array([100.0]), np.array([110.0]), tolerance=10) == [(0, 0)]
    assert matched(np.array([100.0]), np.array([110.1]), tolerance=10) == []


def test_times_out_of_order_are_refused():
    with pytest.raises(DataError, match="matched in order of time; sort them first"):
        matched(np.array([2.0, 1.0]), np.array([1.0]), tolerance=1)


def test_errors_have_the_mean_and_spread_they_were_made_with():
    onsets = np.arange(10) * 400 + 200.0
    shifts = np.array([-4, -2, 0, 2, 4, 6, 8, 10, 12, 14.0])
    truth = [{"QRS": Waves(onsets, onsets + 50)}]
    found = [{"QRS": Waves(onsets + shifts, onsets + 50 - 5)}]
    onset, offset = delineation_errors(truth, found, fs=FS, waves=["QRS"])
    assert (onset.mean_ms, onset.sd_ms) == pytest.approx((2 * shifts.mean(), 2 * shifts.std(ddof=1)))
    assert (offset.mean_ms, offset.sd_ms) == pytest.approx((-10, 0))
    assert (onset.sensitivity, onset.ppv) == (1, 1)


def test_points_beyond_150_ms_are_missed_and_false():
    truth = [{"T": Waves([1000, 2000], [1100, 2100])}]
    found = [{"T": Waves([1075, 2076], [1100])}]
    onset, offset = delineation_errors(truth, found, fs=FS, waves=["T"])
    assert (onset.found, onset.missed, onset.alarms) == (1, 1, 1)
    assert onset.mean_ms == 150
    assert math.isnan(onset.sd_ms)
    assert (offset.sensitivity, offset.ppv) == (0.5, 1)


def test_leads_are_judged_apart_and_counted_together():
    truth = [{"P": Waves([100], [130])}, {"P": Waves([500], [530])}]
    found = [{"P": Waves([500], [530])}, {"P": Waves([104], [134])}]  # each in the other's lead
    onset, _ = delineation_errors(truth, found, fs=FS, waves=["P"])
    assert (onset.found, onset.missed, onset.alarms) == (0, 2, 2)
    assert math.isnan(onset.mean_ms)
    onset, _ = delineation_errors(truth, found[::-1], fs=FS, waves=["P"])
    assert (onset.found, onset.mean_ms) == (2, 4)


def test_a_wave_that_does_not_occur_is_all_alarms_or_nothing():
    errors = delineation_errors([{}], [{"P": Waves([10], [20])}], fs=FS)
    table = delineation_table(errors).set_index(["wave", "point"])
    assert table.loc[("P", "onset"), "alarms"] == 1
    assert table.loc[("P", "onset"), "ppv"] == 0
    assert math.isnan(table.loc[("P", "onset"), "sensitivity"])
    assert math.isnan(table.loc[("T", "offset"), "ppv"])
    assert len(table) == 6


def test_leads_without_detections_must_be_given_as_empty():
    with pytest.raises(DataError, match="each lead needs its detections, got 0 for 1 leads"):
        delineation_errors([{}], [], fs=FS)
