"""Splits by patient: nobody stands in two, shares are met, and only names and seed decide."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_core.data.splits import SPLITS, check_no_leak, parse_ratio, split_by_patient
from ecg_core.errors import DataError, LeakError

PATIENTS = st.lists(st.integers(0, 30).map("p{}".format), min_size=1, max_size=120)
RATIO = (0.8, 0.1, 0.1)


def shares(found):
    return [found.count(name) / len(found) for name in SPLITS]


@given(PATIENTS, st.integers(0, 99), st.sampled_from([RATIO, (0.5, 0.5, 0.0), (1.0, 0.0, 0.0), (0.4, 0.3, 0.3)]))
def test_no_patient_stands_in_two_splits_and_a_share_of_zero_stays_empty(patients, seed, ratio):
    found = split_by_patient(patients, ratio, seed=seed)
    places = {}
    for patient, name in zip(patients, found, strict=True):
        assert places.setdefault(patient, name) == name
    assert set(found) <= {name for name, share in zip(SPLITS, ratio, strict=True) if share}


@given(PATIENTS, st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_matter(patients, seed, random):
    strata = [f"s{random.randrange(3)}" for _ in patients]
    order = list(range(len(patients)))
    random.shuffle(order)
    found = split_by_patient(patients, RATIO, labels=[(s,) for s in strata], seed=seed)
    again = split_by_patient([patients[i] for i in order], RATIO, labels=[(strata[i],) for i in order], seed=seed)
    assert [found[i] for i in order] == again


@given(st.integers(20, 300), st.integers(0, 99))
def test_shares_are_met_to_one_patient(count, seed):
    found = split_by_patient([f"p{i}" for i in range(count)], RATIO, seed=seed)
    for share, wanted in zip(shares(found), RATIO, strict=True):
        assert abs(share - wanted) * count <= 1.0 + 1e-9


def test_shares_are_of_records_when_patients_have_many():
    rng = np.random.default_rng(0)
    patients = [f"p{i}" for i in range(400) for _ in range(rng.integers(1, 12))]
    np.testing.assert_allclose(shares(split_by_patient(patients, RATIO)), RATIO, atol=0.01)


def test_every_stratum_is_shared_out():
    patients = [f"p{i}" for i in range(300)]
    strata = ["rare" if i % 10 == 0 else "common" for i in range(300)]
    found = split_by_patient(patients, RATIO, labels=[(s,) for s in strata])
    rare = [name for name, stratum in zip(found, strata, strict=True) if stratum == "rare"]
    assert [rare.count(name) for name in SPLITS] == [24, 3, 3]


def test_another_seed_gives_another_split_and_the_same_seed_the_same():
    patients = [f"p{i}" for i in range(100)]
    assert split_by_patient(patients, RATIO, seed=1) == split_by_patient(patients, RATIO, seed=1)
    assert split_by_patient(patients, RATIO, seed=1) != split_by_patient(patients, RATIO, seed=2)


@pytest.mark.parametrize(
    ("text", "ratio"), [("8/1/1", RATIO), ("80/10/10", RATIO), ("1/0/0", (1, 0, 0)), ("0.5/0.25/0.25", (0.5, 0.25, 0.25))]
)
def test_a_ratio_is_read_as_shares(text, ratio):
    assert parse_ratio(text) == pytest.approx(ratio)


@pytest.mark.parametrize("text", ["", "8/1", "8/1/1/1", "a/b/c", "8/-1/1", "0/1/1", "nan/1/1", "inf/1/1", "8:1:1"])
def test_what_is_no_ratio_is_one_clear_error(text):
    with pytest.raises(DataError, match="a split is train/val/test such as 8/1/1, got"):
        parse_ratio(text)


def frame(patients, splits):
    return pd.DataFrame(
        {"record_id": [f"r{i}" for i in range(len(splits))], "patient_id": pd.Series(patients, dtype=object), "split": splits}
    )


def test_a_leak_names_the_patient_and_the_records():
    with pytest.raises(
        LeakError, match=r"1 patient\(s\) stand in more than one split, e.g. p7: r0 in train, r2 in test; give all"
    ):
        check_no_leak(frame(["p7", "p8", "p7"], ["train", "train", "test"]))


def test_unknown_patients_are_no_leak_and_unknown_splits_are_an_error():
    check_no_leak(frame([None, None, "p"], ["train", "test", "val"]))
    with pytest.raises(DataError, match="a split is one of train, val, test, got Train, dev in the split column"):
        check_no_leak(frame(["a", "b"], ["dev", "Train"]))
