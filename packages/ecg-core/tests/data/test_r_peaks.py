"""R peaks: found where they were put, at any rate, gain and polarity, and on the annotated beats of real recordings."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_core.data.r_peaks import detect_r_peaks, heart_rate
from ecg_core.data.record import Record
from ecg_core.errors import DataError

MITDB = Path(os.environ.get("ECG_SHARED", "../shared")) / "data" / "mitdb"


def ecg(places, *, fs: float, seconds: float, height: float = 1.0) -> np.ndarray:
    """QRS complexes of 0.09 s at these times, each with a P and a T wave."""
    t = np.arange(round(seconds * fs)) / fs
    x = np.zeros(t.size)
    for place in places:
        x += height * np.exp(-(((t - place) / 0.018) ** 2))
        x += 0.15 * height * np.exp(-(((t - place + 0.16) / 0.04) ** 2)) + 0.3 * height * np.exp(
            -(((t - place - 0.25) / 0.06) ** 2)
        )
    return x


@settings(max_examples=40, deadline=None)
@given(
    rate=st.floats(40, 180),
    fs=st.sampled_from([100, 125, 250, 360, 500, 1000]),
    gain=st.floats(1e-3, 1e3),
    sign=st.sampled_from([-1, 1]),
    first=st.floats(0.4, 0.8),
)
def test_every_beat_is_found_once_within_a_qrs_complex(rate, fs, gain, sign, first):
    places = np.arange(first, 19.6, 60 / rate)
    noise = np.random.default_rng(1).normal(scale=0.02, size=20 * fs)
    found = detect_r_peaks(sign * gain * (ecg(places, fs=fs, seconds=20) + noise), fs=fs)
    assert len(found) == len(places)
    np.testing.assert_allclose(found / fs, places, atol=0.04)


def test_the_heart_rate_is_that_of_the_median_interval():
    x = ecg(np.arange(0.5, 29.5, 0.8), fs=250, seconds=30).astype(np.float32)[None]
    assert heart_rate(Record(x, 250, ("I",))) == pytest.approx(75, abs=1)
    assert heart_rate(Record(0 * x, 250, ("I",))) is None
    assert heart_rate(Record(x, 40, ("I",))) is None


def test_a_lead_of_noise_or_nan_or_nothing_does_not_hide_the_beats():
    places = np.arange(0.5, 19.5, 0.9)
    good = ecg(places, fs=250, seconds=20)
    noise = np.random.default_rng(2).normal(scale=0.5, size=good.size)
    broken = np.where(np.arange(good.size) % 50 < 25, np.nan, good)
    found = detect_r_peaks(np.stack([good, noise, broken, 0 * good]), fs=250)
    assert len(found) == len(places)
    np.testing.assert_allclose(found / 250, places, atol=0.04)


def test_a_burst_of_noise_costs_only_the_beats_beneath_it():
    places = np.arange(0.5, 59.5, 1.0)
    x = ecg(places, fs=250, seconds=60)
    x[5000:5500] += np.random.default_rng(3).normal(scale=5, size=500)
    found = detect_r_peaks(x, fs=250) / 250
    outside = places[(places < 14) | (places > 28)]
    assert all(np.abs(found - place).min() < 0.04 for place in outside)


def test_nothing_is_found_in_a_flat_or_empty_recording():
    assert detect_r_peaks(np.zeros((2, 1000)), fs=250).tolist() == []
    assert detect_r_peaks(np.full((1, 1000), np.nan), fs=250).tolist() == []
    assert detect_r_peaks(np.ones((1, 1)), fs=250).tolist() == []


def test_what_cannot_be_searched_is_one_clear_error():
    with pytest.raises(DataError, match=r"needs fs of at least 50 Hz, got 40"):
        detect_r_peaks(np.zeros(100), fs=40)
    with pytest.raises(DataError, match=r"expected one recording \(leads, samples\), got shape \(2, 3, 100\)"):
        detect_r_peaks(np.zeros((2, 3, 100)), fs=250)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # wfdb changes its tables in place
@pytest.mark.skipif(not MITDB.is_dir(), reason=f"no MIT-BIH recordings at {MITDB}")
def test_on_mit_bih_99_percent_of_the_beats_are_found_with_few_others():
    # ANSI/AAMI EC57: within 150 ms of a beat annotation; ventricular flutter ([ to ]) has no beats and is left out.
    wfdb = pytest.importorskip("wfdb")
    hits = beats = extra = found = 0
    for name in ("101", "106", "119", "203", "215", "223"):
        record, notes = wfdb.rdrecord(str(MITDB / name)), wfdb.rdann(str(MITDB / name), "atr")
        true = notes.sample[np.isin(notes.symbol, list("NLRBAaJSVrFejnE/fQ?"))]
        peaks = detect_r_peaks(record.p_signal.T, fs=record.fs)
        near = lambda a, b: np.abs(a[:, None] - b[None]).min(axis=1) <= 0.15 * 360  # noqa: E731
        hits, beats = hits + near(true, peaks).sum(), beats + len(true)
        extra, found = extra + (~near(peaks, true)).sum(), found + len(peaks)
    assert hits / beats > 0.99
    assert extra / found < 0.01
