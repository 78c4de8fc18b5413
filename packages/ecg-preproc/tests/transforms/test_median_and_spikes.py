"""The running median against scipy's, and what stands on it: the median baseline, and the removal of spikes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import median_filter

from ecg_preproc.transforms.baseline import BaselineRemove
from ecg_preproc.transforms.median import odd_length, running_median
from ecg_preproc.transforms.spikes import RemoveSpikes


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(0, 60), st.integers(0, 2**31), st.booleans())
def test_it_is_scipys_median_filter_with_mirrored_ends(samples, half, seed, ties):
    x = np.random.default_rng(seed).normal(size=(2, 3, samples))
    x = np.round(x) if ties else x
    # scipy wants the window inside the signal, so the mirror is laid out for it
    padded = np.pad(x, [(0, 0), (0, 0), (half, half)], mode="reflect") if samples > 1 else np.repeat(x, 2 * half + 1, axis=-1)
    expected = median_filter(padded, size=(1, 1, 2 * half + 1))[..., half : half + samples]
    assert np.array_equal(running_median(x, 2 * half + 1), expected)


def test_torch_gives_the_same_bits_and_a_gradient_of_one_per_median():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(5, 12, 400)).astype(np.float32)
    there = torch.from_numpy(x).requires_grad_()
    out = running_median(there, 51)
    assert np.array_equal(out.detach().numpy(), running_median(x, 51))
    out.sum().backward()
    assert there.grad.sum() == 5 * 12 * 400  # each output is one of the inputs


@pytest.mark.parametrize(
    ("seconds", "fs", "length"), [(0.2, 500, 99), (0.6, 500, 299), (0.2, 250, 49), (0.1, 250, 25), (0.001, 100, 1)]
)
def test_a_window_is_the_odd_number_of_samples_that_fits(seconds, fs, length):
    assert odd_length(seconds, fs) == length


def test_the_median_baseline_of_a_step_is_the_step():
    x = np.where(np.arange(2000) < 1000, 0.0, 1.0)[None]
    assert (BaselineRemove(method="median")(x, fs=500) == 0).all()  # an average would ring for 0.4 s around it
    assert np.abs(BaselineRemove()(x, fs=500)).max() > 0.4


def test_the_median_baseline_leaves_a_narrow_beat_its_height_and_takes_the_drift():
    time = np.arange(5000) / 500
    drift = 0.5 * np.sin(2 * np.pi * 0.1 * time)
    beat = np.exp(-0.5 * ((time - 5) / 0.012) ** 2)
    out = BaselineRemove(method="median")((drift + beat)[None], fs=500)[0]
    assert out[2500] == pytest.approx(1.0, abs=0.03)  # the window of the first median is six of its widths
    assert np.abs(out[500:2000]).max() < 0.02


def test_the_median_baseline_is_that_of_the_original_library(golden):
    stored, inputs = np.load(golden / "torch_ecg/preprocessors.npz"), np.load(golden / "torch_ecg/inputs.npz")
    key = next((k for k in stored.files if k == "numpy_BaselineRemove"), None)
    assert key is not None
    x, expected = _inputs(inputs, expected=stored[key])
    # Their windows are 101 and 301 samples, and past the ends they repeat the last one.
    ours = BaselineRemove(windows=(0.202, 0.602), method="median")(x, fs=500)
    np.testing.assert_allclose(ours[..., 200:-200], expected[..., 200:-200], atol=1e-6)


def _inputs(inputs, expected):
    x = inputs[inputs.files[0]]
    return x[: expected.shape[0], ::2, : expected.shape[-1]], expected


@pytest.mark.parametrize("fs", [100, 250, 500])
def test_spikes_are_gone_and_everything_else_has_the_same_bits(fs):
    time = np.arange(10 * fs) / fs
    clean = np.sin(2 * np.pi * time)[None] + 2.5 * np.exp(-0.5 * (((time + 0.5) % 1 - 0.5) / 0.02) ** 2)
    spiked, places = clean.copy(), np.array([fs // 3, 2 * fs + 7, 5 * fs, 9 * fs + 11])
    spiked[0, places] += [20.0, -15.0, 300.0, np.inf]
    out = RemoveSpikes()(spiked, fs=fs)
    assert np.abs(out - clean).max() < 0.9  # at 100 Hz the neighbours of an R wave's tip are that far below it
    rest = np.delete(np.arange(10 * fs), places)
    assert np.array_equal(out[0, rest], clean[0, rest])


def test_a_spike_may_be_nearly_half_the_window_long_and_nan_stays():
    x = np.zeros((1, 1000))
    x[0, 500:504] = 30.0  # 4 of the 9 samples that 20 ms are at 500 Hz
    x[0, 700] = np.nan
    out = RemoveSpikes()(x, fs=500)
    assert np.isnan(out[0, 700])
    assert np.nansum(np.abs(out)) == 0


def test_wrong_arguments_are_one_clear_error():
    with pytest.raises(ValueError, match="threshold must be a positive number of mV, got -1"):
        RemoveSpikes(threshold=-1)
    with pytest.raises(ValueError, match="seconds must be a positive length, got 0"):
        RemoveSpikes(seconds=0)
    with pytest.raises(ValueError, match="method must be average or median, got 'mean'"):
        BaselineRemove(method="mean")
