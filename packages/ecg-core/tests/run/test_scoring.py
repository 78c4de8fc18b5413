"""Scores of windows, and of recordings as the mean of their windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecg_core.data.store import Store
from ecg_core.run.inference.window_scores import mean_by_record, score_windows
from ecg_core.run.training.finetune import build_task


def test_windows_of_a_recording_are_averaged_in_order_of_first_appearance() -> None:
    names, means, first = mean_by_record(["b", "a", "b", "c"], np.array([[1.0, 0], [5, 5], [3, 1], [7, 7]]))
    assert names == ["b", "a", "c"]
    assert means.tolist() == [[2.0, 0.5], [5, 5], [7, 7]]
    assert first.tolist() == [0, 1, 3]


def test_nothing_has_no_mean() -> None:
    names, means, first = mean_by_record([], np.zeros((0, 3)))
    assert (names, means.shape, len(first)) == ([], (0, 3), 0)


@given(st.lists(st.sampled_from(["1", "10", "2", "ä", ""]), min_size=1, max_size=30))
def test_means_equal_those_computed_one_by_one(records: list[str]) -> None:
    values = np.random.default_rng(0).random((len(records), 2))
    names, means, first = mean_by_record(records, values)
    assert names == list(dict.fromkeys(records))
    for name, mean, position in zip(names, means, first, strict=True):
        here = [i for i, r in enumerate(records) if r == name]
        assert position == here[0]
        np.testing.assert_allclose(mean, values[here].mean(axis=0))


@pytest.mark.parametrize("training", [True, False])
def test_scores_do_not_depend_on_the_batch_and_the_mode_is_put_back(store: Store, training: bool) -> None:
    task = build_task(store, None, {"name": "toy", "dropout": 0.5}, "toy_head", ("DOWN", "UP"), seed=0)
    task.train(training)
    before = {name: t.clone() for name, t in task.state_dict().items()}
    indices = store.indices()
    one = score_windows(task, store, indices, batch_size=1)
    np.testing.assert_allclose(one, score_windows(task, store, indices, batch_size=50), atol=1e-6)
    assert one.dtype == np.float64
    assert task.training is training
    assert all(torch.equal(t, before[name]) for name, t in task.state_dict().items())


def test_no_windows_have_no_scores(store: Store) -> None:
    task = build_task(store, None, "toy", "toy_head", ("DOWN", "UP"), seed=0)
    assert score_windows(task, store, np.array([], dtype=np.int64)).shape == (0, 2)
