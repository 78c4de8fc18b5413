"""BandPass: the gain it promises is the gain a tone meets, without delay, at every sampling frequency."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt

from ecg_preproc.transforms.bandpass import BandPass

ALL_FS = (100, 128, 250, 257, 360, 500, 1000)


def tone(frequency, fs, seconds=20.0, phase=0.3):
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * fs)) / fs + phase)[None]


def interior(x, fs, seconds=4.0):
    return x[..., round(seconds * fs) : -round(seconds * fs)]


def amplitude(x, frequency, fs):
    """Of a tone, by projection on sine and cosine over the interior."""
    time = np.arange(x.shape[-1]) / fs
    return 2 * abs(interior(x * np.exp(-2j * np.pi * frequency * time), fs).mean())


def test_the_gain_at_both_edges_is_one_half():
    f = np.array([0.5, 40.0])
    for order in (1, 2, 3, 8):
        # the other edge is far away: at 40 Hz the high-pass at 0.5 Hz passes 1 - 80^-2n, at worst 1.6e-4 below one
        assert BandPass(order=order).frequency_response(f, 500) == pytest.approx(0.5, rel=2e-4)
        assert BandPass(low=None, order=order).frequency_response(f[1:], 500) == pytest.approx(0.5, rel=1e-12)
        assert BandPass(high=None, order=order).frequency_response(f[:1], 500) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("fs", ALL_FS)
@pytest.mark.parametrize("frequency", [5.0, 10.0, 40.0, 45.0])
def test_a_tone_meets_the_gain_that_is_promised_at_every_fs(fs, frequency):
    bandpass = BandPass(low=0.5, high=40.0)
    found = amplitude(bandpass(tone(frequency, fs), fs=fs), frequency, fs)
    assert found == pytest.approx(bandpass.frequency_response(np.array([frequency]), fs)[0], abs=2e-3)


def test_a_60_hz_tone_is_gone_and_a_10_hz_tone_untouched():
    bandpass = BandPass(low=0.5, high=40.0, order=6)
    away = 2 * bandpass.reach(500)  # where it has forgotten to 1e-12
    mains, wave = tone(60, 500, 2 * away + 10), tone(10, 500, 2 * away + 10)
    # Butterworth's gain forwards and backwards, of bilinear frequencies: 1 / (1 + 1.5425^12) = 0.0055
    ratio = np.tan(np.pi * 60 / 500) / np.tan(np.pi * 40 / 500)
    out = bandpass(mains, fs=500)
    time = np.arange(out.shape[-1]) / 500
    found = 2 * abs(interior(out * np.exp(-2j * np.pi * 60 * time), 500, away).mean())
    assert found == pytest.approx(1 / (1 + ratio**12), rel=1e-5)
    # At 10 Hz what is missing is 20^-12 of the high-pass and 0.25^12 of the low-pass.
    assert np.abs(interior(bandpass(wave, fs=500) - wave, 500, away)).max() < 2e-6
    # How hum goes on past an end follows from nothing that a baseline is predicted from: some of it comes through there.
    assert np.abs(out).max() < 0.6
    assert np.abs(interior(out, 500, 0.5)).max() < 0.03
    assert np.abs(interior(out, 500, 4.0)).max() == pytest.approx(0.0055, rel=0.1)


def test_a_constant_is_gone_and_without_a_lower_edge_it_stays():
    x = np.full((2, 5000), 1.5)
    assert np.abs(BandPass()(x, fs=500)).max() < 1e-12
    assert BandPass(low=None)(x, fs=500) == pytest.approx(1.5, abs=1e-12)


def test_there_is_no_delay():
    pulse = np.exp(-0.5 * ((np.arange(5000) - 2500) / 10) ** 2)[None]
    out = BandPass()(pulse, fs=500)[0]
    assert np.argmax(out) == 2500
    np.testing.assert_allclose(out[2500:4500], out[2500:500:-1], atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(-3, 3), st.floats(-3, 3))
def test_it_is_linear(seed, a, b):
    x, y = np.random.default_rng(seed).normal(size=(2, 1, 700))
    bandpass = BandPass()
    np.testing.assert_allclose(bandpass(a * x + b * y, fs=250), a * bandpass(x, fs=250) + b * bandpass(y, fs=250), atol=1e-10)


@pytest.mark.parametrize("fs", [100, 250, 360, 500])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_scipys_filter_run_forwards_and_backwards_agrees_in_the_interior(fs, order):
    x = np.random.default_rng(0).normal(size=(3, 60 * fs))
    both = sosfiltfilt(butter(order, 0.5, "high", fs=fs, output="sos"), x)
    both = sosfiltfilt(butter(order, 40, "low", fs=fs, output="sos"), both)
    bandpass = BandPass(low=0.5, high=40.0, order=order)
    away = 1 + bandpass.reach(fs)
    np.testing.assert_allclose(interior(bandpass(x, fs=fs), fs, away), interior(both, fs, away), atol=2e-5)


@pytest.mark.parametrize(("low", "high", "fs"), [(0.5, 40.0, 250), (None, 40.0, 100), (0.05, None, 125), (5.0, 15.0, 360)])
def test_what_lies_beyond_the_stated_reach_adds_up_to_less_than_a_millionth(low, high, fs):
    bandpass = BandPass(low=low, high=high)
    kernel = np.fft.irfft(bandpass.frequency_response(np.fft.rfftfreq(2**17, 1 / fs), fs))[: 2**16]
    assert np.abs(kernel[round(bandpass.reach(fs) * fs) :]).sum() < 1e-6


def drift(kind, time, rng):
    """A baseline of some kind, mV: its size is that of wander that disturbs reading."""
    if kind == "none":
        return np.zeros_like(time)
    if kind == "walk":
        return np.cumsum(rng.normal(size=time.size)) * 0.1 / np.sqrt(1 / (time[1] - time[0]))
    if kind == "steps":
        return sum(rng.normal() * 0.3 * (time > rng.uniform(0, time[-1])) for _ in range(7))
    slowest, fastest, tones = {"slow": (0.02, 0.1, 1), "breath": (0.15, 0.4, 1), "strong": (0.05, 0.4, 3)}[kind]
    frequency, phase = rng.uniform(slowest, fastest, tones), rng.uniform(0, 6.28, tones)
    return rng.uniform(0.2, 0.5, tones) @ np.sin(2 * np.pi * frequency[:, None] * time + phase[:, None])


@pytest.mark.parametrize("kind", ["none", "slow", "breath", "strong", "walk", "steps"])
def test_the_ends_of_a_cut_recording_err_half_as_much_as_scipys_do(kind):
    # Many windows: scipy errs most, by its odd reflection, where a window happens to end on a beat.
    fs, rng, windows = 125, np.random.default_rng(20), 200
    time, middle = np.arange(60 * fs) / fs, slice(25 * fs, 35 * fs)  # 25 s from either end: no edge reaches the middle
    edge = np.r_[0:fs, 9 * fs : 10 * fs]
    period, offset = rng.uniform(0.6, 1.1, (windows, 1)), rng.uniform(0, 1, (windows, 1))
    x = np.exp(-0.5 * (((time + offset) % period - 0.3) / 0.015) ** 2) + 0.02 * rng.normal(size=(windows, time.size))
    x += np.stack([drift(kind, time, rng) for _ in range(windows)])
    sos = butter(3, [0.5, 40], "band", fs=fs, output="sos")
    rms = []
    for act in (lambda x: BandPass()(x, fs=fs), lambda x: sosfiltfilt(sos, x)):
        rms.append(np.sqrt(np.square(act(x[:, middle]) - act(x)[:, middle])[:, edge].mean()))
    assert rms[0] < 0.5 * rms[1]


@pytest.mark.parametrize(
    ("arguments", "fs", "said"),
    [
        ({"low": 0.5, "high": 300.0}, 500, r"frequency must satisfy 0 < low < high < fs / 2 = 250 Hz, got \(0.5, 300.0\)"),
        ({"low": 40.0, "high": 0.5}, 500, r"got \(40.0, 0.5\)"),
        ({"low": 5.0, "high": 5.0}, 500, r"got \(5.0, 5.0\)"),
        ({"low": 0.0, "high": 40.0}, 500, r"got \(0.0, 40.0\)"),
        ({"low": -1.0, "high": None}, 500, r"got \(-1.0, None\)"),
        ({"low": None, "high": 250.0}, 500, r"got \(None, 250.0\)"),
        ({"low": float("nan"), "high": 40.0}, 500, r"got \(nan, 40.0\)"),
    ],
)
def test_edges_that_cannot_be_are_one_clear_error(arguments, fs, said):
    with pytest.raises(ValueError, match=said):
        BandPass(**arguments)(np.zeros((1, 100)), fs=fs)


def test_wrong_arguments_are_refused_when_it_is_made():
    with pytest.raises(ValueError, match=r"a band-pass needs an edge: give low=…, high=… \(Hz\) or both"):
        BandPass(low=None, high=None)
    with pytest.raises(ValueError, match="order must be at least 1, got 0"):
        BandPass(order=0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'lowcutt'"):
        BandPass(lowcutt=3)


def test_amplitudes_far_from_one_keep_their_precision():
    x = np.random.default_rng(0).normal(size=(1, 2000))
    expected = BandPass()(x, fs=250)
    for scale in (1e-20, 1e-6, 1e6, 1e20):
        np.testing.assert_allclose(BandPass()((x * scale).astype(np.float32), fs=250) / scale, expected, atol=2e-6)
