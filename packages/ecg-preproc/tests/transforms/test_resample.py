"""Resample: a sine stays the same sine on the new time axis, and what cannot be there is not folded back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_core.data.batch import Batch
from ecg_core.data.record import Record
from ecg_preproc.transforms.resample import Resample

PAIRS = [(100, 250), (500, 250), (360, 250), (257, 250), (300, 250), (1000, 250), (250, 100), (500, 100), (128, 257), (500, 499)]
SECONDS = 10
PHASES = (0.0, 0.7, np.pi / 2)


def tones(frequencies, time):
    return np.array([np.sin(2 * np.pi * f * time + phase) for f in frequencies for phase in PHASES])


def resampled(frequencies, fs_in, fs_out, dtype=np.float64):
    """Tones of these frequencies before, after, and the new time axis, one second away from the ends."""
    before = tones(frequencies, np.arange(SECONDS * fs_in) / fs_in).astype(dtype)
    after = Resample(fs=fs_out)(before, fs=fs_in)
    time = np.arange(after.shape[-1]) / fs_out
    inside = (time >= 1) & (time <= SECONDS - 1)
    return after[:, inside], tones(frequencies, time)[:, inside]


@pytest.mark.parametrize(("fs_in", "fs_out"), PAIRS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_sine_below_nine_tenths_of_nyquist_stays_the_same_sine(fs_in, fs_out, dtype):
    found, expected = resampled(np.linspace(0.3, 0.9 * min(fs_in, fs_out) / 2, 25), fs_in, fs_out, dtype)
    assert np.abs(found - expected).max() < 1e-4  # the target is 1e-3


@pytest.mark.parametrize(("fs_in", "fs_out"), [(a, b) for a, b in PAIRS if a > 1.1 * b])
def test_a_tone_above_the_new_nyquist_frequency_is_90_db_down(fs_in, fs_out):
    found, _ = resampled(np.linspace(1.1 * fs_out / 2, 0.999 * fs_in / 2, 25), fs_in, fs_out)
    assert 20 * np.log10(np.abs(found).max()) < -90


@pytest.mark.parametrize(("fs_in", "fs_out"), [(100, 250), (250, 500), (250, 257), (360, 500)])
def test_up_and_down_again_is_the_same_signal(fs_in, fs_out):
    before = tones(np.linspace(0.5, 0.85 * fs_in / 2, 9), np.arange(SECONDS * fs_in) / fs_in)
    again = Resample(fs=fs_in)(Resample(fs=fs_out)(before, fs=fs_in), fs=fs_out)
    assert again.shape == before.shape
    np.testing.assert_allclose(again[:, fs_in:-fs_in], before[:, fs_in:-fs_in], atol=2e-4)


@pytest.mark.parametrize(("fs_in", "fs_out"), PAIRS)
def test_a_constant_stays_that_constant_to_the_very_ends(fs_in, fs_out):
    assert Resample(fs=fs_out)(np.full((1, 3 * fs_in), 1.5), fs=fs_in) == pytest.approx(1.5, abs=1e-12)


def test_the_same_rate_gives_a_copy_with_the_same_bits():
    x = np.random.default_rng(0).normal(size=(2, 100))
    out = Resample(fs=250)(x, fs=250)
    assert np.array_equal(out, x)
    assert not np.shares_memory(out, x)


def test_gradients_pass_the_same_rate_and_any_other():
    torch = pytest.importorskip("torch")
    for fs in (250, 125):
        x = torch.randn(1, 2, 500, requires_grad=True)
        Resample(fs=fs)(x, fs=250).sum().backward()
        assert torch.isfinite(x.grad).all()
        assert x.grad.abs().sum() > 0


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 5000),
    st.sampled_from([100.0, 128.0, 250.0, 257.0, 360.0, 500.0, 999.99]),
    st.sampled_from([100.0, 250.0, 333.3]),
)
def test_the_length_covers_the_signal_and_no_more(samples, fs_in, fs_out):
    length = Resample(fs=fs_out).output_length(samples, fs_in)
    assert (length - 1) / fs_out < samples / fs_in <= length / fs_out * (1 + 1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.sampled_from([(500, 250), (250, 500), (257, 250), (250, 100)]))
def test_signals_of_a_few_samples_have_the_declared_length_and_stay_finite(samples, rates):
    fs_in, fs_out = rates
    out = Resample(fs=fs_out)(np.arange(samples, dtype=np.float64)[None], fs=fs_in)
    assert out.shape[-1] == Resample(fs=fs_out).output_length(samples, fs_in)
    assert np.isfinite(out).all()


def test_annotations_stand_at_the_same_time_and_the_last_sample_has_a_place():
    record = Record(np.zeros((1, 1000), np.float32), 500, ("I",), annotations={"r_peaks": np.array([0, 101, 998, 999])})
    out = Resample(fs=250)(record)
    assert out.fs == 250
    assert out.annotations["r_peaks"].tolist() == [0, 50, 499, 499]
    up = Resample(fs=500)(Record(np.zeros((1, 10), np.float32), 250, ("I",), annotations={"r_peaks": np.array([3, 9])}))
    assert up.annotations["r_peaks"].tolist() == [6, 18]


def test_a_mask_takes_the_nearest_sample():
    mask = np.array([[True, True, False, False, True, True]])
    batch = Batch(np.zeros((1, 1, 6), np.float32), 100, ("I",), mask=mask)
    assert Resample(fs=50)(batch).mask.tolist() == [[True, False, True]]
    assert Resample(fs=200)(batch).mask.shape == (1, 12)


@pytest.mark.parametrize("fs", [0, -1, float("nan"), float("inf")])
def test_a_target_frequency_is_positive_and_finite(fs):
    with pytest.raises(ValueError, match="fs must be a positive number of Hz, got"):
        Resample(fs=fs)


def test_rates_without_a_common_grid_are_one_clear_error():
    with pytest.raises(ValueError, match="cannot resample 359.9871 Hz to 250.013 Hz exactly; round the sampling frequencies"):
        Resample(fs=250.0130)(np.zeros((1, 100)), fs=359.9871)
