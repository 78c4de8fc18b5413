"""Transforms that bend or shift time: what stands on a sample is found again where the annotation goes."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_core.data.batch import Batch
from ecg_preproc.augment.rand_augment import RandAugment
from ecg_preproc.augment.random_crop import RandomCrop
from ecg_preproc.augment.stretch_compress import StretchCompress
from ecg_preproc.augment.time_map import read_at
from ecg_preproc.augment.time_shift import TimeShift
from ecg_preproc.augment.time_warp import TimeWarp

FS, SAMPLES, WINDOWS = 100, 600, 30
MOVING = [
    TimeShift(seconds=(0.0, 2.0), p=0.7),
    TimeShift(seconds=(0.0, 2.0), mode="circular", p=0.7),
    RandomCrop(seconds=4.0),
    StretchCompress(ratio=(0.0, 0.3), p=0.7),
    TimeWarp(strength=(0.0, 0.6), p=0.7),
    RandAugment(transforms=[TimeShift(), TimeWarp(), StretchCompress()], n=2, magnitude=1.0, p=0.8),
]
NAMES = ["shift", "circular", "crop", "stretch", "warp", "rand_augment"]


def batch():
    """Every sample is its own position, so that a signal tells where it came from; three marks, one of them absent."""
    ramp = np.tile(np.arange(1.0, SAMPLES + 1), (WINDOWS, 2, 1))
    marks = np.random.default_rng(0).integers(0, SAMPLES, (WINDOWS, 3))
    marks[:, 2] = -1
    steps = np.tile(np.arange(1, SAMPLES + 1), (WINDOWS, 1))
    return Batch(ramp, FS, ("I", "II"), mask=steps > 0, step_targets=steps, annotations={"r": marks}, seed=4)


@pytest.mark.parametrize("transform", MOVING, ids=NAMES)
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_the_sample_under_a_mark_is_the_one_that_was_there_before(transform, framework):
    given = batch()
    out = transform(given if framework == "numpy" else given.to("cpu"))
    signal, steps, mask, marks = (np.asarray(v) for v in (out.signal, out.step_targets, out.mask, out.annotations["r"]))
    assert (marks[:, 2] == -1).all()
    found, gone = 0, 0
    for row in range(WINDOWS):
        for mark, was in zip(marks[row, :2], given.annotations["r"][row], strict=False):
            if mark < 0:
                gone += 1
                assert np.abs(signal[row, 0] - (was + 1)).min() > 0.4 or was in (0, SAMPLES - 1)
                continue
            found += 1
            # the ramp rises by up to 1 / (1 - strength) per output sample, and a mark stands on a whole one
            assert abs(signal[row, 0, mark] - (was + 1)) <= 1.3
    assert found > 30
    # step targets are those of the nearest sample; what comes from outside is 0 and not measured
    whole = mask & np.roll(mask, 2, axis=1) & np.roll(mask, -2, axis=1)  # between a sample and what was filled in lies a slope
    assert np.abs(steps - signal[:, 0])[whole].max() <= 1.3
    assert np.array_equal(mask, steps > 0)


@pytest.mark.parametrize("transform", MOVING[:2], ids=NAMES[:2])
def test_a_shift_is_whole_samples_and_at_least_one(transform):
    given = batch()
    out = type(transform)(**{**transform.arguments, "p": 1.0, "seconds": (0.0, 0.05)})(given)
    for before, after in zip(given.signal[:, 0], out.signal[:, 0], strict=True):
        by = int(before[300] - after[300])
        assert 1 <= abs(by) <= 5
        expected = np.roll(before, by)
        if transform.mode == "fill":
            expected[: max(0, by)] = 0
            expected[SAMPLES + min(0, by) :] = 0
        assert np.array_equal(after, expected)


def test_both_directions_of_a_shift_and_of_a_stretch_are_equally_likely():
    ramp = np.tile(np.arange(200.0), (3000, 1, 1))
    later = (TimeShift(seconds=(0.1, 0.2), p=1.0)(ramp, fs=FS, generator=0)[:, 0, 100] < 100).mean()
    longer = (StretchCompress(ratio=(0.05, 0.1), p=1.0)(ramp, generator=0)[:, 0, 150] < 150).mean()
    assert abs(later - 0.5) < 0.04
    assert abs(longer - 0.5) < 0.04


def test_a_stretched_sine_has_the_stretched_period():
    time = np.arange(4000) / 500
    x = np.sin(2 * np.pi * 5 * time)[None, None].repeat(50, axis=0)
    out = StretchCompress(ratio=(0.1, 0.1), p=1.0)(x, generator=0)[:, 0, 500:3500]
    crossings = (np.diff(np.sign(out), axis=1) != 0).sum(axis=1) / 2 / 6
    assert np.abs(crossings[:, None] - np.array([5 / 1.1, 5 / 0.9])).min(axis=1).max() < 0.1


def test_a_warp_never_turns_back_keeps_both_ends_and_is_inverted():
    warp = TimeWarp(strength=(0.9, 0.9), waves=6, p=1.0)
    ramp = np.arange(1000.0)[None, None].repeat(40, axis=0)
    out = warp(ramp, generator=1)[:, 0]
    assert (np.diff(out, axis=1) > 0).all()
    assert np.abs(out[:, [0, -1]] - [0, 999]).max() < 1e-6
    assert np.abs(out - ramp[:, 0]).max(axis=1).min() > 1
    drawn = {"speed": np.full((1, 6), 0.15)}
    at = np.linspace(0, 999, 50)[None]
    np.testing.assert_allclose(warp.source(warp.destination(at, samples=1000, **drawn), samples=1000, **drawn), at, atol=1e-6)


def test_reading_between_two_samples_is_on_the_straight_line_and_nothing_is_outside():
    x = np.array([[[1.0, 3.0, 7.0]]])
    found = read_at(x, np.array([[-0.6, -0.4, 0.0, 0.25, 1.0, 2.0, 2.1, 2.6]]))
    assert found.tolist() == [[[0.0, 1.0, 1.0, 1.5, 3.0, 7.0, 7.0, 0.0]]]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TimeShift(mode="mirror"), "mode must be fill or circular, got 'mirror'"),
        (lambda: TimeShift(seconds=(-1, 1)), "seconds must be"),
        (lambda: TimeWarp(waves=0), "waves must be at least 1, got 0"),
        (lambda: TimeWarp(strength=(0, 1)), r"strength must be \(low, high\) with 0 ≤ low ≤ high ≤ 0.9, got \(0, 1\)"),
        (lambda: StretchCompress(ratio=(0.1, 1)), "ratio must be"),
    ],
)
def test_a_wrong_argument_is_one_clear_error(make, said):
    with pytest.raises(ValueError, match=said):
        make()
