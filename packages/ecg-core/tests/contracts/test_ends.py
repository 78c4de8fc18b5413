"""What follows the ends of a signal: linear, without a jump, and what a baseline and a forgetful heart lead to expect."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_core.contracts.ends import ends, stretch_of_ends
from ecg_core.contracts.spectral import extended

FS = 250.0


def beyond(x, extra, fs=FS):
    """The samples that follow ``x``."""
    return extended(x, x.shape[-1] + extra, fs=fs)[..., x.shape[-1] :]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([1.0, 25.0, 100.0, 257.0, 500.0]), st.integers(0, 9))
def test_any_signal_of_any_length_goes_on_finite_and_linear(n, extra, fs, seed):
    x, y = np.random.default_rng(seed).normal(size=(2, 1, n))
    both = extended(x - 2 * y + 3, n + extra, fs=fs)
    assert both.shape == (1, n + extra)
    assert np.array_equal(both[..., :n], x - 2 * y + 3)
    by_parts = extended(x, n + extra, fs=fs) - 2 * extended(y, n + extra, fs=fs) + 3
    np.testing.assert_allclose(both, by_parts, atol=1e-9)
    assert np.abs(both).max() < 20 * max(1, np.abs(both[..., :n]).max())


@pytest.mark.parametrize("n", [1, 2, 30, 31, 100, 999, 5000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_goes_on_as_exactly_that_constant(n, dtype):
    x = np.full((2, n), 1.1, dtype)
    assert (extended(x, n + 600, fs=FS) == dtype(1.1)).all()


@pytest.mark.parametrize("n", [1, 7, 300, 2500])
def test_the_signal_backwards_goes_on_backwards(n):
    x = np.random.default_rng(n).normal(size=(1, n))
    there, back = beyond(x, 500), beyond(x[..., ::-1], 500)[..., ::-1]
    np.testing.assert_allclose(there, back, atol=1e-9)


def test_it_starts_at_the_last_value_and_leads_to_the_first():
    fs = 5000.0  # steps so small that a jump would stand out
    time = np.arange(round(10 * fs)) / fs
    x = (np.sin(2 * np.pi * 0.2 * time) + np.exp(-0.5 * ((time - 9.99) / 0.05) ** 2))[None]
    on = beyond(x, round(2 * fs), fs)
    assert abs(on[0, 0] - x[0, -1]) < 0.02
    assert abs(on[0, -1] - x[0, 0]) < 0.02


def test_a_slow_wave_goes_on_where_its_mirror_image_turns_round():
    ahead, all_errors = np.arange(1, round(0.6 * FS)), []
    for frequency in (0.05, 0.1, 0.15, 0.2, 0.3, 0.4):
        errors = []
        for phase in np.linspace(0, 2 * np.pi, 16, endpoint=False):
            wave = np.sin(2 * np.pi * frequency * np.arange(4000) / FS + phase)
            x, after = wave[:2500], wave[2499 + ahead]
            ours = beyond(x[None], 5000)[0, ahead - 1]  # of a long extension, in which the fade has hardly begun
            errors.append([np.square(way - after).mean() for way in (ours, x[-1 - ahead], np.full(len(ahead), x[-1]))])
        ours, mirror, _ = np.sqrt(np.mean(errors, axis=0))
        assert ours < (0.9 if frequency == 0.05 else 0.7) * mirror
        all_errors.append(np.mean(errors, axis=0))
    ours, mirror, held = np.sqrt(np.mean(all_errors, axis=0))
    assert ours < 0.5 * mirror
    assert ours < 0.85 * held


def test_white_noise_is_not_taken_for_a_baseline():
    x = np.random.default_rng(0).normal(size=(400, 2500))
    on = beyond(x, 2500)[:, 25:250]  # after the last value is forgotten, before the fade
    # The mean of four seconds is known to 1/sqrt(1000), slope and curvature less; none of it to a standard deviation.
    assert np.sqrt(np.mean(on**2)) < 0.2


def test_the_heart_s_last_value_is_forgotten_within_a_qrs_complex():
    x = np.zeros((1, 2500))
    x[0, -1] = 1.0
    on = beyond(x, 2500)[0]
    assert on[0] == pytest.approx(np.exp(-1 / (0.03 * FS)), abs=0.02)
    assert np.abs(on[25:]).max() < 0.05


def test_the_prediction_is_that_of_the_two_processes():
    """Against the textbook: covariances of the model on a grid of its own, all samples instead of means, no offset given."""
    fs, n, extra, ahead = 25.0, 100, 400, np.arange(1, 20)
    frequencies = np.linspace(0, 1, 4001)[1:]
    density = np.minimum((0.5 / frequencies) ** 12, 100 * 0.15 / frequencies)

    def covariance(lags):
        lags, ready = np.unique(np.abs(lags), return_inverse=True)
        values = 2 * np.cos(2 * np.pi * lags[:, None] / fs * frequencies) @ density * (frequencies[1] - frequencies[0])
        return values[ready].reshape(ready.shape)

    place, there = np.arange(n), n - 1 + ahead
    inverse = np.linalg.inv(covariance(place[:, None] - place) + fs * np.eye(n) + 1e7)
    expected = covariance(there[:, None] - place) + 1e7
    at_the_end = covariance(n - 1 - place)[None] + 1e7
    left = np.exp(-ahead / fs / 0.03)[:, None]
    whole = (expected - left * at_the_end) @ inverse
    whole[:, -1] += left[:, 0]
    wave = np.cos(2 * np.pi * 0.15 * place / fs + np.arange(8)[:, None]) + 5
    found = beyond(wave, extra, fs)[:, ahead - 1]
    np.testing.assert_allclose(found, wave @ whole.T, atol=0.03)


def test_it_is_worked_out_once_per_length_and_in_stretches_for_a_long_one():
    assert ends(FS, 2500, 600) is ends(FS, 2500, 600)
    whole = ends(FS, 2500, 20_000)
    assert whole.memory <= 4 * FS
    for start, stop in ((0, 7), (500, 9000), (19_990, 20_000)):
        assert np.array_equal(stretch_of_ends(FS, 2500, 20_000, start, stop).shapes, whole.shapes[:, start:stop])


def test_in_float32_it_is_the_same_rounded():
    exact, single = ends(FS, 2500, 600), ends(FS, 2500, 600, single=True)
    for name in ("tail", "head", "shapes"):
        assert np.array_equal(getattr(single, name), getattr(exact, name).astype(np.float32))


def test_what_a_day_long_recording_needs_does_not_grow_with_its_extension():
    stretch_of_ends(FS, 10_000, 600, 0, 600)
    tracemalloc.start()
    stretch_of_ends(FS, 21_600_000, 270_000, 100_000, 101_000)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
