"""BaselineRemove and Normalize against their closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_preproc.transforms.baseline import BaselineRemove
from ecg_preproc.transforms.normalize import Normalize

# ---------------------------------------------------------------------------------------------- baseline


@pytest.mark.parametrize("fs", [100, 250, 257, 500])
@pytest.mark.parametrize("frequency", [0.0, 0.3, 1.0, 5.0, 12.5, 25.0])
def test_a_tone_meets_the_gain_that_is_declared(fs, frequency):
    transform, time = BaselineRemove(), np.arange(20 * fs) / fs
    x = np.cos(2 * np.pi * frequency * time + 0.3)[None]
    found = transform(x, fs=fs)[:, 2 * fs : -2 * fs]
    gain = transform.frequency_response(np.array([frequency]), fs)[0]
    np.testing.assert_allclose(found, gain * x[:, 2 * fs : -2 * fs], atol=1e-9)


def test_the_moving_average_is_the_one_numpy_convolves():
    x = np.random.default_rng(0).normal(size=500)
    expected = x - np.convolve(x, np.full(51, 1 / 51), mode="same")
    found = BaselineRemove(windows=(0.102,))(x[None], fs=500)[0]
    np.testing.assert_allclose(found[25:-25], expected[25:-25], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("samples", [1, 2, 7, 100, 5000])
def test_a_constant_gives_zero_however_short_or_long(dtype, samples):
    out = BaselineRemove()(np.full((2, samples), 1.1, dtype), fs=250)
    # float32 in its last bit; float64 by what a running sum of 5000 numbers loses
    assert np.abs(out).max() <= (2 * np.finfo(np.float32).eps if dtype == np.float32 else 1e-12)


def test_a_slow_drift_is_gone_and_a_narrow_beat_stays():
    time = np.arange(5000) / 500
    drift, beat = 0.5 * np.sin(2 * np.pi * 0.1 * time), np.exp(-0.5 * ((time - 5) / 0.012) ** 2)
    out = BaselineRemove()((drift + beat)[None], fs=500)[0]
    assert np.abs(out[500:2000]).max() < 0.02 * 0.5 + 0.005
    assert out[2500] == pytest.approx(1.0, abs=0.06)  # the beat's own mean over 0.2 s, smoothed: 0.03 / 0.6


@pytest.mark.parametrize("windows", [(), (0.2, 0.0), (-1.0,)])
def test_windows_are_positive_lengths(windows):
    with pytest.raises(ValueError, match="windows must be positive lengths in seconds, got"):
        BaselineRemove(windows=windows)


# ---------------------------------------------------------------------------------------------- normalise

SIGNALS = st.integers(0, 2**31).map(lambda seed: np.random.default_rng(seed).normal(size=(2, 3, 50)) * [[[1.0], [5.0], [0.2]]])


@given(SIGNALS, st.floats(-2, 2), st.floats(0.1, 5))
def test_z_score_has_the_wanted_mean_and_standard_deviation(x, mean, std):
    whole = Normalize(mean=mean, std=std)(x)
    np.testing.assert_allclose(whole.mean(axis=(1, 2)), mean, atol=1e-9)
    np.testing.assert_allclose(whole.std(axis=(1, 2)), std, rtol=1e-9)
    each = Normalize(mean=mean, std=std, per_lead=True)(x)
    np.testing.assert_allclose(each.mean(axis=2), mean, atol=1e-9)
    np.testing.assert_allclose(each.std(axis=2), std, rtol=1e-9)


@pytest.mark.parametrize("samples", [8191, 8192, 8193, 30_000])
def test_a_long_z_score_is_that_of_double_precision(samples):
    x = 3 + np.random.default_rng(samples).normal(size=(2, 3, samples)).astype(np.float32).cumsum(axis=-1)
    exact = x.astype(np.float64)
    for axes, per_lead in ((-1, True), ((-2, -1), False)):
        expected = (exact - exact.mean(axes, keepdims=True)) / exact.std(axes, keepdims=True)
        np.testing.assert_allclose(Normalize(per_lead=per_lead)(x), expected, atol=2e-6)


@given(SIGNALS)
def test_without_per_lead_the_leads_keep_their_proportions(x):
    out = Normalize()(x)
    np.testing.assert_allclose(out, (x - x.mean(axis=(1, 2), keepdims=True)) / x.std(axis=(1, 2), keepdims=True), rtol=1e-9)


@given(SIGNALS)
def test_min_max_reaches_exactly_from_zero_to_one(x):
    for per_lead, axes in ((False, (1, 2)), (True, 2)):
        out = Normalize(method="min-max", per_lead=per_lead)(x)
        assert (out.min(axis=axes) == 0).all()
        assert (out.max(axis=axes) == 1).all()


def test_naive_subtracts_and_divides_whatever_the_signal():
    x = np.array([[1.0, 2.0, 5.0]])
    assert Normalize(method="naive", mean=1.0, std=2.0)(x).tolist() == [[0.0, 0.5, 2.0]]


@given(SIGNALS, st.floats(0.01, 100), st.floats(-50, 50))
def test_gain_and_offset_of_the_amplifier_do_not_matter(x, gain, offset):
    for method in ("z-score", "min-max"):
        np.testing.assert_allclose(Normalize(method=method)(gain * x + offset), Normalize(method=method)(x), atol=1e-7)


@pytest.mark.parametrize("value", [0.0, 1.5, 1.1, -3.3e4, 1e30, 1e-40])
@pytest.mark.parametrize("per_lead", [False, True])
def test_a_constant_becomes_the_mean_or_zero_and_never_noise(value, per_lead):
    x = np.full((2, 12, 4999), value, np.float32)
    assert (Normalize(mean=0.25, per_lead=per_lead)(x) == 0.25).all()
    assert (Normalize(method="min-max", per_lead=per_lead)(x) == 0).all()


def test_one_flat_lead_is_flat_and_the_others_are_not():
    x = np.stack([np.full(100, 1.1), np.sin(np.arange(100))]).astype(np.float32)
    out = Normalize(per_lead=True)(x)
    assert (out[0] == 0).all()
    assert out[1].std() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("scale", [1e-35, 1e-20, 1e20, 1e30])
def test_very_small_and_very_large_signals_are_normalised_like_any_other(scale):
    x = np.random.default_rng(0).normal(size=(2, 500))
    np.testing.assert_allclose(Normalize()((x * scale).astype(np.float32)), Normalize()(x), atol=1e-4)


def test_nan_is_seen_and_stays_in_its_window():
    x = np.random.default_rng(0).normal(size=(2, 1, 50))
    x[0, 0, 3] = np.nan
    out = Normalize()(x)
    assert np.isnan(out[0]).all()
    assert np.isfinite(out[1]).all()


def test_gradients_of_a_flat_window_are_finite():
    torch = pytest.importorskip("torch")
    x = torch.ones(2, 1, 20)
    x[1] = torch.randn(1, 20)
    x.requires_grad_()
    for method in ("z-score", "min-max"):
        (Normalize(method=method)(x) ** 2).sum().backward()
        assert torch.isfinite(x.grad).all()


def test_wrong_arguments_are_one_clear_error():
    with pytest.raises(ValueError, match="method must be z-score, min-max or naive, got 'zscore'"):
        Normalize(method="zscore")
    with pytest.raises(ValueError, match="std must be positive, got 0"):
        Normalize(std=0)
