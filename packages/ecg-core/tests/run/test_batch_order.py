"""The order of windows is a pure function of (seed, epoch, number)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_core.data.store import Store
from ecg_core.errors import DataError
from ecg_core.run.order import Batches, epoch_order, store_batches


def _batches(count: int, size: int, seed: int = 0) -> Batches:
    return Batches(np.arange(100, 100 + count), size, lambda chosen, epoch: (chosen.tolist(), epoch), seed=seed)


@given(count=st.integers(1, 300), seed=st.integers(-(2**70), 2**70), epoch=st.integers(0, 10**6))
def test_an_order_is_a_permutation_and_depends_on_nothing_else(count: int, seed: int, epoch: int) -> None:
    order = epoch_order(count, seed=seed, epoch=epoch)
    assert sorted(order.tolist()) == list(range(count))
    np.random.default_rng(0).random(3)
    assert np.array_equal(order, epoch_order(count, seed=seed, epoch=epoch))


def test_another_epoch_or_seed_gives_another_order() -> None:
    orders = {tuple(epoch_order(50, seed=seed, epoch=epoch)) for seed in range(10) for epoch in range(10)}
    assert len(orders) == 100


def test_neighbouring_seeds_differ_however_large() -> None:
    for seed in (-1, 2**63, 2**64 - 2):
        assert not np.array_equal(epoch_order(50, seed=seed, epoch=0), epoch_order(50, seed=seed - 1, epoch=0))


@given(count=st.integers(1, 60), size=st.integers(1, 70))
def test_an_epoch_shows_no_window_twice_and_leaves_out_less_than_a_batch(count: int, size: int) -> None:
    batches = _batches(count, size)
    seen = [window for number in range(len(batches)) for window in batches.get(0, number)[0]]
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(range(100, 100 + count))
    assert 0 <= count - len(seen) < batches.batch_size


def test_every_window_comes_once_per_epoch_when_batches_fit() -> None:
    batches = _batches(24, 8)
    for epoch in range(3):
        assert sorted(w for number in range(3) for w in batches.get(epoch, number)[0]) == list(range(100, 124))


def test_what_an_epoch_leaves_out_comes_in_another() -> None:
    batches = _batches(10, 8)
    assert {w for epoch in range(20) for w in batches.get(epoch, 0)[0]} == set(range(100, 110))


def test_a_batch_does_not_depend_on_those_asked_for_before() -> None:
    straight, jumping = _batches(40, 8), _batches(40, 8)
    jumping.get(7, 4)
    jumping.get(1, 0)
    assert jumping.get(3, 2) == straight.get(3, 2)


def test_fewer_windows_than_a_batch_are_one_batch() -> None:
    batches = _batches(5, 64)
    assert len(batches) == 1
    assert sorted(batches.get(0, 0)[0]) == list(range(100, 105))


def test_an_empty_training_split_is_an_error_in_words() -> None:
    with pytest.raises(DataError, match=r"nothing to learn from.*no labels for this target"):
        _batches(0, 8)


def test_batches_of_a_store_carry_signal_targets_and_what_random_draws_follow_from(store: Store) -> None:
    train = store.indices("train", target="dx")
    batches = store_batches(store, train, 8, device="cpu", seed=5, target="dx", classes=("DOWN", "UP"))
    batch = batches.get(3, 1)
    chosen = train[epoch_order(len(train), seed=5, epoch=3)[8:16]]
    assert np.array_equal(batch.signal.numpy(), store.signals(chosen))
    assert np.array_equal(batch.targets.numpy(), store.target_matrix("dx", ("DOWN", "UP"), chosen))
    assert (batch.seed, batch.epoch) == (5, 3)
