"""A recording streamed in blocks has the numbers of the whole, for every step and chain that can be streamed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_core.contracts.compose import Compose
from ecg_core.contracts.streaming import stream
from ecg_core.errors import ConfigError, DataError
from ecg_preproc.augment.gaussian_noise import GaussianNoise
from ecg_preproc.transforms.bandpass import BandPass
from ecg_preproc.transforms.baseline import BaselineRemove
from ecg_preproc.transforms.clip import Clip
from ecg_preproc.transforms.crop_or_pad import CropOrPad
from ecg_preproc.transforms.gaps import InterpolateGaps
from ecg_preproc.transforms.leads import DeriveLeads, SelectLeads
from ecg_preproc.transforms.normalize import Normalize
from ecg_preproc.transforms.notch import Notch
from ecg_preproc.transforms.one_edge import HighPass
from ecg_preproc.transforms.resample import Resample
from ecg_preproc.transforms.spikes import RemoveSpikes

NAMES = ("I", "II")


def holter(seconds, fs, seed=0):
    """Two leads: beats on a strong drift, hum, noise, a step and different ends."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * fs)) / fs
    beat = np.exp(-0.5 * (((time % 0.83) - 0.4) / 0.015) ** 2)
    drift = np.sin(2 * np.pi * 0.13 * time) + 0.01 * time
    noise = 0.05 * rng.normal(size=(2, time.size))
    return np.stack([beat + drift, -0.5 * beat + drift**2 / 4]) + 0.1 * np.sin(2 * np.pi * 50 * time) + noise


def streamed(chain, x, fs, block_seconds, leads=NAMES):
    made = stream(chain, lambda a, b: x[:, a:b], fs=fs, n_samples=x.shape[-1], leads=leads, block_seconds=block_seconds)
    blocks = list(made)
    assert all(block.shape[-1] == max(1, round(block_seconds * made.fs)) for block in blocks[:-1])
    assert sum(block.shape[-1] for block in blocks) == made.n_samples
    assert len(made.leads) == blocks[0].shape[0]
    return np.concatenate(blocks, axis=-1)


STEPS = {
    "bandpass": BandPass(), "highpass": HighPass(low=0.3), "notch": Notch(), "average": BaselineRemove(),
    "median": BaselineRemove(method="median"), "down": Resample(fs=100), "up": Resample(fs=360), "same": Resample(fs=250),
    "clip": Clip(low=-0.5, high=0.5), "derive": DeriveLeads(), "select": SelectLeads(leads=["III", "I"]),
    "spikes": RemoveSpikes(threshold=0.2), "gaps": InterpolateGaps(), "z-score": Normalize(),
    "z-score per lead": Normalize(per_lead=True, mean=1.0, std=3.0), "min-max": Normalize(method="min-max", per_lead=True),
    "naive": Normalize(method="naive", mean=0.2, std=2.0),
    "the usual": Compose([BandPass(), Resample(fs=125), BaselineRemove(), Normalize()]),
    "runs with steps between": Compose(
        [RemoveSpikes(), Notch(), Resample(fs=200), Clip(low=-1, high=1), HighPass(), DeriveLeads(), Compose([Normalize()])]
    ),
    "nothing": Compose([]),
}  # fmt: skip


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("seconds", [0.1, 7.0, 71.3])
def test_blocks_have_the_numbers_of_the_whole(step, seconds):
    x = holter(seconds, 250)
    whole = step(x, fs=250, leads=NAMES)
    for block_seconds in (5.0, 13.37):
        np.testing.assert_allclose(streamed(step, x, 250, block_seconds), whole, atol=1e-5)
    single = streamed(step, x.astype(np.float32), 250, 11.0)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, whole, atol=1e-4 if "resample" in repr(step).lower() else 5e-5)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([(250.0, 125.0), (250.0, 360.0), (257.0, 250.0), (500.0, 100.0), (360.0, 250.0), (128.0, 257.0)]),
    st.floats(0.05, 60.0),
    st.floats(0.5, 30.0),
)
def test_rates_lengths_and_blocks_of_every_kind_agree(rates, seconds, block_seconds):
    fs, target = rates
    x = holter(seconds, fs)
    chain = Compose([BandPass(low=1.0), Resample(fs=target), BaselineRemove()])
    np.testing.assert_allclose(streamed(chain, x, fs, block_seconds), chain(x, fs=fs), atol=1e-5)


def test_sample_k_of_a_resampled_recording_stands_at_k_over_fs_in_every_block():
    fs, target, seconds = 360.0, 250.0, 400.0
    time = np.arange(round(seconds * fs)) / fs
    out = streamed(Resample(fs=target), np.sin(2 * np.pi * 7.3 * time)[None], fs, 17.0, leads=["I"])
    there = np.arange(out.shape[-1]) / target
    np.testing.assert_allclose(out[0, 250:-250], np.sin(2 * np.pi * 7.3 * there)[250:-250], atol=1e-5)


def test_gaps_at_the_seams_are_filled_or_left_as_in_the_whole():
    x = holter(60, 250)
    for start, length in ((2490, 20), (4995, 49), (4980, 52), (7499, 2), (0, 30), (14_990, 10)):
        x[0, start : start + length] = np.nan
    np.testing.assert_array_equal(streamed(InterpolateGaps(), x, 250, 10.0), InterpolateGaps()(x, fs=250))


def test_a_flat_recording_is_flat_and_damaged_samples_are_seen():
    flat = np.full((2, 20_000), 1.1, np.float32)
    assert (streamed(Compose([BandPass(), Normalize()]), flat, 250, 10.0) == 0).all()
    flat[1, 9000] = np.nan
    assert np.isnan(streamed(Normalize(per_lead=True), flat, 250, 10.0)[1]).all()


def test_tensors_stream_as_arrays_do():
    torch = pytest.importorskip("torch")
    x, chain = holter(30, 250), Compose([BandPass(), Resample(fs=100), Clip()])
    made = stream(
        chain, lambda a, b: torch.from_numpy(x[:, a:b].copy()), fs=250, n_samples=x.shape[-1], leads=NAMES, block_seconds=7
    )
    np.testing.assert_allclose(torch.cat(list(made), -1).numpy(), streamed(chain, x, 250, 7), atol=1e-11)


def test_no_more_is_read_at_a_time_than_a_block_and_what_its_filters_look_at():
    x, asked = np.zeros((2, 250 * 1200), np.float32), []

    def read(start, stop):
        asked.append(stop - start)
        return x[:, start:stop]

    chain = Compose([BandPass(), Resample(fs=125)])
    for _ in stream(chain, read, fs=250, n_samples=x.shape[-1], leads=NAMES, block_seconds=20.0):
        pass
    assert max(asked) <= 1.1 * 250 * (20 + 2 * chain.reach(250))


@pytest.mark.parametrize(
    ("chain", "said"),
    [
        (GaussianNoise(), r"GaussianNoise\(\) is random, and cannot be done block by block; cut the recording into windows"),
        (Compose([Clip()], p=0.5), "is random, and cannot be done block by block"),
        (CropOrPad(), r"CropOrPad\(\) looks at the whole recording, and cannot be done block by block"),
        (InterpolateGaps(max_seconds=None), "looks at the whole recording"),
    ],
)
def test_what_cannot_be_streamed_is_one_clear_error(chain, said):
    with pytest.raises(ConfigError, match=said):
        streamed(chain, holter(10, 250), 250, 5.0)


def test_a_wrong_read_length_or_rate_is_one_clear_error():
    with pytest.raises(DataError, match=r"read\(0, 500\) must give \(2, 500\) samples, got shape \(2, 499\)"):
        list(stream(Clip(), lambda a, b: np.zeros((2, b - a - 1)), fs=250, n_samples=1000, leads=NAMES, block_seconds=2.0))
    with pytest.raises(ValueError, match="block_seconds must be a positive length, got 0"):
        stream(Clip(), lambda a, b: None, fs=250, n_samples=10, leads=NAMES, block_seconds=0)
    with pytest.raises(DataError, match="expected a recording of at least one sample, got 0"):
        stream(Clip(), lambda a, b: None, fs=250, n_samples=0, leads=NAMES)
    with pytest.raises(ValueError, match="fs must be a positive number of Hz, got -1"):
        stream(Clip(), lambda a, b: None, fs=-1, n_samples=10, leads=NAMES)
