"""Batch: windows with their facts, which must agree in number; draws that follow the records."""

from __future__ import annotations

import numpy as np
import pytest

from ecg_core.data.batch import Batch
from ecg_core.errors import DataError


def batch(**facts) -> Batch:
    return Batch(np.zeros((3, 2, 4), np.float32), 100, ("i", "ii"), **facts)


def test_leads_are_canonical_and_keys_default_to_the_position():
    b = batch()
    assert b.leads == ("I", "II")
    assert b.record_keys.tolist() == [0, 1, 2]
    assert len(b) == 3


@pytest.mark.parametrize("field", ["record_ids", "record_keys", "targets", "patient", "segment", "mask", "age", "sex"])
def test_facts_of_another_number_of_windows_are_refused(field):
    with pytest.raises(DataError, match=f"{field} has 1 entries for a batch of 3 windows"):
        batch(**{field: ("a",) if field == "record_ids" else np.zeros((1, 4) if field == "mask" else 1, np.int64)}).draws()


def test_a_wrong_shape_or_lead_count_is_one_clear_error():
    with pytest.raises(DataError, match=r"a batch is \(batch, leads, samples\), got shape \(2, 4\)"):
        Batch(np.zeros((2, 4)), 100, ("I", "II"))
    with pytest.raises(DataError, match="1 lead names for a batch of 2 leads"):
        Batch(np.zeros((1, 2, 4)), 100, ("I",))


def test_has_says_which_facts_are_there():
    b = batch(patient=np.arange(3))
    assert b.has("patient")
    assert b.has("signal")
    assert not b.has("segment")
    assert not b.has("no such fact")


def test_draws_change_with_epoch_seed_and_salt_and_with_nothing_else():
    def first(salt=0, **facts):
        return tuple(batch(**facts).draws(salt).uniform().tolist())

    assert first() == first(segment=np.arange(3)) == first(mask=np.ones((3, 4), bool))
    assert len({first(), first(epoch=1), first(seed=1), first(1), first(record_keys=np.array([7, 8, 9]))}) == 5


def test_moving_to_a_device_makes_tensors_of_arrays_and_keeps_the_rest():
    torch = pytest.importorskip("torch")
    b = batch(targets=np.ones((3, 2), np.float32), patient=np.arange(3), record_ids=("a", "b", "c"), seed=5, epoch=2).to("cpu")
    assert all(isinstance(x, torch.Tensor) for x in (b.signal, b.targets, b.patient))
    assert b.mask is None
    assert (b.record_ids, b.seed, b.epoch, b.fs) == (("a", "b", "c"), 5, 2, 100)
    assert np.array_equal(b.draws().uniform().numpy(), batch(seed=5, epoch=2).draws().uniform())


def test_another_signal_keeps_the_facts():
    b = batch(patient=np.arange(3), mask=np.ones((3, 4), bool))
    other = b.with_signal(np.ones((3, 2, 2), np.float32), fs=50, mask=np.ones((3, 2), bool))
    assert (other.fs, other.mask.shape, other.patient.tolist()) == (50, (3, 2), [0, 1, 2])
    assert b.fs == 100
