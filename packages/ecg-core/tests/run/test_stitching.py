"""A recording in pieces is the recording in one, as far as the model looks; and a window's middle where it looks everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.contracts.head import Head
from ecg_core.data.batch import Batch
from ecg_core.run.card import SignalContract
from ecg_core.run.inference import stitching
from ecg_core.run.inference.stitching import Stitcher, reach_of
from ecg_core.tasks.labelling import LabellingTask

FS, LEADS = 100.0, ("I", "II")
SIGNAL = SignalContract(FS, LEADS, 200, ())


class Strided(Backbone):
    """Two convolutions of stride 4 in all; with ``everywhere`` each step also sees the mean of all."""

    def __init__(self, *, kernel: int = 9, everywhere: bool = False) -> None:
        super().__init__()
        self.in_leads, self.everywhere = 2, everywhere
        self.stages = (Stage(6, 4),)
        self.one = nn.Conv1d(2, 6, kernel, stride=2, padding=kernel // 2)
        self.two = nn.Conv1d(6, 6, kernel, stride=2, padding=kernel // 2)

    def forward_intermediates(self, x):
        y = self.two(self.one(x).relu())
        return [y + y.mean(dim=-1, keepdim=True) if self.everywhere else y]


class Steps(Head):
    reads = "features"

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.conv = nn.Conv1d(6, classes, 3, padding=1)

    def forward(self, x):
        return self.conv(x)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(stitching, "_PIECE", 1024)


def made(**backbone) -> LabellingTask:
    torch.manual_seed(0)
    return LabellingTask(Strided(**backbone), Steps, classes=["none", "P"]).eval()


def recording(n: int) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(2, n)).astype(np.float32)


def whole(task, x: np.ndarray) -> np.ndarray:
    return task.predict(Batch(torch.from_numpy(x)[None], fs=FS, leads=LEADS))[0].numpy()


@pytest.mark.parametrize("n", [200, 203, 1024, 1535, 1537, 2049, 5003])
def test_pieces_are_the_whole_where_the_model_looks_so_far_and_no_further(n):
    task, x = made(), recording(n)
    stitch = Stitcher(task, SIGNAL)
    pieces = list(stitch(n, lambda start, stop: x[:, start:stop]))
    assert [start for start, _ in pieces] == np.cumsum([0, *(p.shape[1] for _, p in pieces)]).tolist()[:-1]
    assert n < 2000 or len(pieces) > 1
    np.testing.assert_allclose(np.concatenate([p for _, p in pieces], axis=1), whole(task, x), atol=1e-5)


def test_the_reach_is_that_of_the_convolutions():
    # Half of 9 at stride 1, half of 9 at 2, half of 3 at 4, and up to a step of 4 of interpolation.
    assert 4 + 8 + 4 < reach_of(made(), SIGNAL) <= 4 + 8 + 4 + 4
    assert reach_of(made(kernel=1), SIGNAL) < reach_of(made(), SIGNAL)
    assert reach_of(made(everywhere=True), SIGNAL) is None


@pytest.mark.parametrize("n", [200, 201, 350, 1000, 1049])
def test_a_model_that_looks_everywhere_answers_with_the_middles_of_windows_of_its_length(n):
    task, x = made(everywhere=True), recording(n)
    seen = []

    def read(start, stop):
        seen.append((start, stop))
        return x[:, start:stop]

    found = np.concatenate([p for _, p in Stitcher(task, SIGNAL)(n, read)], axis=1)
    assert found.shape == (2, n)
    assert {stop - start for start, stop in seen} == {200}
    assert (seen[0][0], seen[-1][1]) == (0, n)
    if n >= 350:
        np.testing.assert_allclose(found[:, 150:200], whole(task, x[:, 100:300])[:, 50:100], atol=1e-6)
