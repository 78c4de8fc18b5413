"""Synthetic ECGs, small transforms and reference values for the tests of this package.

A check of the contract kit that starts a process takes seconds: one method of each base is asked in the ordinary tests, the
others wait for `nox -s conformance` and `nox -s slow`.
"""

import re

import numpy as np
import pytest
import torch

from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_core.data.leads import STANDARD_12
from ecg_core.discovery.registries import TRANSFORMS

torch.set_num_threads(1)

_ASKED = {"simclr", "moco_v2", "st_mem", "jepa_weimann", "w2v_cmsc"}


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items):
    for item in items:
        found = re.search(r"\[ssl:(\w+)::another_process_gives_the_same_loss\]$", item.name)
        if found is not None and found[1] not in _ASKED:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def golden(golden):
    """Loads a file of reference values as tensors by name."""

    def load(name):
        with np.load(golden / "ssl" / name) as arrays:
            return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}

    return load


@pytest.fixture
def ecg_batch():
    """Batches of Gaussian beats: every record has its own rate, its own waves and its own lead weights."""

    def make(records=8, leads=12, samples=300, fs=100.0, seed=0, **facts):
        rng = np.random.default_rng(seed)
        time = np.arange(samples) / fs
        signal = np.zeros((records, leads, samples))
        for record in signal:
            beats = np.arange(rng.uniform(0.0, 0.5), samples / fs, 60 / rng.uniform(50, 110))
            for centre, width, height in ((-0.18, 0.03, 0.15), (0.0, 0.012, 1.0), (0.25, 0.05, 0.3)):
                wave = np.exp(-0.5 * ((time - beats[:, None] - centre) / (width * rng.uniform(0.8, 1.3))) ** 2).sum(axis=0)
                record += height * rng.normal(1.0, 0.5, size=(leads, 1)) * wave
        signal += 0.02 * rng.normal(size=signal.shape)
        return Batch(torch.from_numpy(signal.astype(np.float32)), fs, STANDARD_12[:leads], seed=seed, **facts)

    return make


class Noise(RandomTransform):
    """Adds white noise."""

    def __init__(self, *, std=0.1, p=1.0):
        self.std, self.p = std, p

    def draw(self, shape, generator):
        return {"noise": generator.normal(shape[1:])}

    def apply(self, x, *, fs, noise):
        return x + self.std * noise


class TimeOut(RandomTransform):
    """Zeroes a quarter of the window at a random place."""

    def __init__(self, *, p=1.0):
        self.p = p

    def draw(self, shape, generator):
        return {"start": generator.uniform(0.0, 0.75)}

    def apply(self, x, *, fs, start):
        position = torch.arange(x.shape[-1]) / x.shape[-1] - start[:, None]
        return x * ~((position >= 0) & (position < 0.25))[:, None]


class RandomCrop(RandomTransform):
    """Cuts a part of this length out at a random place."""

    p = 1.0

    def __init__(self, seconds):
        self.seconds = seconds

    def output_length(self, n_samples, fs):
        return round(self.seconds * fs)

    def draw(self, shape, generator):
        return {"place": generator.uniform()}

    def apply(self, x, *, fs, place):
        length = self.output_length(x.shape[-1], fs)
        start = (place * (x.shape[-1] - length)).long()
        return x.gather(-1, (start[:, None] + torch.arange(length))[:, None].expand(-1, x.shape[1], -1))


class Nothing(Transform):
    """Changes nothing."""

    def apply(self, x, *, fs):
        return x + 0.0


@pytest.fixture(autouse=True)
def transforms():
    """Transforms known by name during a test, in place of installed ones of the same name."""
    with TRANSFORMS.isolated():
        TRANSFORMS.add(Noise, "test_noise")
        TRANSFORMS.add(TimeOut, "test_time_out")
        TRANSFORMS.add(Nothing, "test_nothing")
        TRANSFORMS.add(RandomCrop, "random_crop", override=True)
        yield
