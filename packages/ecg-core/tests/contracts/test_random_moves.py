"""RandomTransform: a window that is not hit keeps its facts, in one block or in many."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.data.batch import Batch
from ecg_core.data.record import Record


class Roll(RandomTransform):
    """Roll by one sample to the right and multiply."""

    def __init__(self, *, p=0.5):
        self.p = p

    def draw(self, shape, generator):
        return {"by": generator.integers(3) + 1, "gain": generator.uniform(1.0, 2.0)}

    def _index(self, samples, by):
        return (asarray_like(np.arange(samples), by)[None] - by[:, None]) % samples

    def move(self, positions, *, fs, samples, **drawn):
        return (positions + drawn["by"][:, None]) % samples

    def move_mask(self, mask, *, fs, **drawn):
        return namespace(mask).take_along_axis(mask, self._index(mask.shape[-1], drawn["by"]), axis=-1)

    def apply(self, x, *, fs, **drawn):
        xp = namespace(x)
        index = xp.broadcast_to(self._index(x.shape[-1], drawn["by"])[:, None], x.shape)
        return xp.take_along_axis(x, index, axis=-1) * drawn["gain"][:, None, None]


class Neutral(Roll):
    """The same, and its parameters have values that do nothing."""

    neutral = {"by": 0, "gain": 1.0}


@pytest.mark.parametrize("kind", [Roll, Neutral])
def test_positions_masks_and_step_targets_stay_where_the_signal_stays(kind):
    signal = np.tile(np.arange(1.0, 31.0), (400, 1, 1))
    marks = signal[:, 0] == 10
    batch = Batch(
        signal, 100, ("I",), mask=marks, step_targets=marks.astype(np.int64), annotations={"r": np.full((400, 1), 9)}
    )  # fmt: skip
    out = kind()(batch)
    kept = (out.signal == signal).all(axis=(1, 2))
    assert 150 < kept.sum() < 250
    assert (out.annotations["r"][kept] == 9).all()
    assert (out.annotations["r"][~kept] > 9).all()
    assert np.array_equal(out.mask, np.arange(30) == out.annotations["r"])
    assert np.array_equal(out.step_targets, out.mask.astype(np.int64))
    records = [Record(signal[0], 100, ("I",), f"r{i}", annotations={"r": np.array([9])}) for i in range(40)]
    for record in (kind()(r, generator=3) for r in records):
        assert (record.annotations["r"][0] == 9) == np.array_equal(record.signal, signal[0])


def test_values_that_do_nothing_give_what_choosing_between_before_and_after_gives():
    x = np.random.default_rng(0).normal(size=(50, 2, 30))
    assert np.array_equal(Roll()(x, generator=1), Neutral()(x, generator=1))


@pytest.mark.parametrize("kind", [Roll, Neutral])
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_large_batch_in_blocks_is_bit_for_bit_the_windows_one_by_one(kind, framework):
    x = np.random.default_rng(0).normal(size=(50, 2, 20_000)).astype(np.float32)
    draws = Draws.seeded(5, windows=50)
    if framework == "torch":
        x = pytest.importorskip("torch").from_numpy(x)
    whole = kind()(x, generator=draws)
    for row in (0, 7, 49):
        one = kind()(x[row : row + 1], generator=draws.subset(slice(row, row + 1)))
        assert (whole[row] == one[0]).all()
    if framework == "torch":  # with a gradient it is not cut up
        assert (kind()(x.clone().requires_grad_(), generator=draws) == whole).all()


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (0.4, 0.4), (1.0, 1.0), (2.0, 5.0), (0.4, 3.0)])
def test_beta_draws_follow_the_beta_distribution(a, b):
    found = Draws.seeded(0, windows=20_000).beta(a, b)
    assert stats.kstest(found.astype(np.float64), stats.beta(a, b).cdf).pvalue > 1e-3
    assert ((found >= 0) & (found <= 1)).all()
    assert np.array_equal(found[:5], Draws.seeded(0, windows=5).beta(a, b))


def test_a_mask_that_is_not_hit_may_hold_anything():
    batch = Batch(np.ones((4, 1, 6)), 100, ("I",), step_targets=np.arange(24).reshape(4, 6))
    out = Roll(p=0.0)(replace(batch, annotations={"r": np.full((4, 2), -1)}))
    assert np.array_equal(out.step_targets, batch.step_targets)
    assert (out.annotations["r"] == -1).all()
