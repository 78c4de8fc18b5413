"""Notch, HighPass and LowPass: what they promise to take out is gone, the rest stays, and scipy's filters agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, filtfilt, iirnotch, sosfiltfilt

from ecg_preproc.transforms.notch import Notch
from ecg_preproc.transforms.one_edge import HighPass, LowPass


def tone(frequency, fs, seconds=20):
    return np.sin(2 * np.pi * frequency * np.arange(seconds * fs) / fs + 0.4)[None]


@pytest.mark.parametrize("fs", [250, 360, 500, 1000])
@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_mains_hum_is_gone_and_ten_hz_are_untouched(fs, mains):
    notch, away = Notch(frequency=mains), slice(5 * fs, -5 * fs)
    assert np.abs(notch(tone(mains, fs), fs=fs)[:, away]).max() < 1e-6
    assert np.abs((notch(tone(10, fs), fs=fs) - tone(10, fs))[:, away]).max() < 3e-3


@pytest.mark.parametrize(("frequency", "width", "fs"), [(50.0, 2.0, 500), (60.0, 1.0, 360), (50.0, 5.0, 1000), (30.0, 4.0, 100)])
def test_scipys_notch_run_forwards_and_backwards_agrees_in_the_interior(frequency, width, fs):
    x = np.random.default_rng(0).normal(size=(2, 30 * fs))
    notch = Notch(frequency=frequency, width=width)
    expected = filtfilt(*iirnotch(frequency, frequency / width, fs=fs), x)
    away = slice(round((1 + notch.reach(fs)) * fs), -round((1 + notch.reach(fs)) * fs))
    np.testing.assert_allclose(notch(x, fs=fs)[:, away], expected[:, away], atol=2e-5)


def test_the_gain_is_one_half_at_half_the_width_and_zero_at_the_centre():
    f = np.array([49.0, 50.0, 51.0])
    # The two edges lie symmetrically on the digital filter's warped axis, so each is a little off half the width.
    assert Notch(width=2.0).frequency_response(f, 1000) == pytest.approx([0.5, 0.0, 0.5], abs=0.02)
    assert Notch(quality=25.0).frequency_response(f, 1000) == pytest.approx(Notch(width=2.0).frequency_response(f, 1000))


def test_harmonics_are_every_multiple_below_half_the_sampling_frequency():
    f = np.array([50.0, 100.0, 150.0, 200.0, 249.0])
    assert Notch(harmonics=True).frequency_response(f, 500)[:4] == pytest.approx(0, abs=1e-12)
    assert Notch().frequency_response(f, 500)[1:] == pytest.approx(1, abs=2e-3)
    assert Notch(harmonics=True).frequency_response(f, 499)[:4] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("fs", [100, 500])
def test_highpass_and_lowpass_are_scipys_run_forwards_and_backwards(fs):
    x = np.random.default_rng(1).normal(size=(2, 60 * fs))
    for transform, kind, edge in ((HighPass(low=0.5, order=2), "high", 0.5), (LowPass(high=30.0, order=4), "low", 30.0)):
        expected = sosfiltfilt(butter(transform.order, edge, kind, fs=fs, output="sos"), x)
        away = slice(12 * fs, -12 * fs)
        np.testing.assert_allclose(transform(x, fs=fs)[:, away], expected[:, away], atol=2e-5)


def test_high_and_low_pass_of_one_edge_add_up_to_the_signal():
    x = np.random.default_rng(2).normal(size=(3, 2000))
    np.testing.assert_allclose(HighPass(low=5.0)(x, fs=250) + LowPass(high=5.0)(x, fs=250), x, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Notch(width=1.0, quality=30.0), r"give width=… \(Hz\) or quality=…, not both; got 1.0 and 30.0"),
        (lambda: Notch(frequency=0), "frequency must be positive, got 0"),
        (lambda: Notch(quality=float("nan")), "quality must be positive, got nan"),
        (lambda: HighPass(low=-0.5), "low must be a positive number of Hz, got -0.5"),
        (lambda: LowPass(high=0), "high must be a positive number of Hz, got 0"),
        (lambda: LowPass(order=0), "order must be at least 1, got 0"),
        (
            lambda: Notch()(np.zeros((1, 50)), fs=100),
            r"a notch must lie below fs / 2 = 50 Hz, got frequency 50 Hz and width 2 Hz",
        ),
        (
            lambda: LowPass()(np.zeros((1, 50)), fs=80),
            r"frequency must satisfy 0 < low < high < fs / 2 = 40 Hz, got \(None, 40.0\)",
        ),
        (lambda: HighPass(low=60)(np.zeros((1, 50)), fs=100), r"fs / 2 = 50 Hz, got \(60.0, None\)"),
    ],
)
def test_what_cannot_be_filtered_is_one_clear_error(make, said):
    with pytest.raises(ValueError, match=said):
        make()
