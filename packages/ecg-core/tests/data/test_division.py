"""How recordings come to train, val and test: folds, columns, and classes shared out evenly."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_core.data.division import Division
from ecg_core.data.splits import folds_by_patient, numbered_folds, split_of_folds
from ecg_core.data.store import Store
from ecg_core.data.stratification import deal
from ecg_core.errors import DataError, LeakError


@given(st.lists(st.integers(0, 40).map("p{}".format), min_size=10, max_size=100), st.integers(3, 6), st.integers(0, 9))
def test_every_record_is_tested_in_exactly_one_fold_and_no_patient_in_two(patients, count, seed):
    folds = folds_by_patient(patients, count, seed=seed)
    assert len({(patient, fold) for patient, fold in zip(patients, folds, strict=True)}) == len(set(patients))
    tested = [split_of_folds(folds, count, test) for test in range(count)]
    for roles in zip(*tested, strict=True):
        assert Counter(roles) == {"test": 1, "val": 1, "train": count - 2}


def test_the_last_of_ten_folds_is_the_division_of_ptb_xl():
    splits = split_of_folds(list(range(10)), 10, 9)
    assert splits == ["train"] * 8 + ["val", "test"]


def test_rare_and_overlapping_classes_are_shared_out_as_evenly_as_whole_patients_allow():
    # Multi-label, with classes from one in two to one in fifty recordings, as in PTB-XL's superclasses and statements.
    rng = np.random.default_rng(0)
    frequency = [0.5, 0.25, 0.1, 0.05, 0.02]
    patients = [f"p{i // 2}" for i in range(2000)]
    labels = [[c for c, f in enumerate(frequency) if rng.random() < f] for _ in patients]
    parts = deal(patients, [0.8, 0.1, 0.1], labels=labels)
    for c, f in enumerate(frequency):
        counts = np.bincount([p for p, row in zip(parts, labels, strict=True) if c in row], minlength=3)
        np.testing.assert_allclose(counts, np.array([0.8, 0.1, 0.1]) * counts.sum(), atol=2.0, err_msg=f"class of share {f}")
    np.testing.assert_allclose(np.bincount(parts) / len(parts), [0.8, 0.1, 0.1], atol=0.01)


def test_by_chance_the_same_classes_come_out_less_even():
    rng = np.random.default_rng(0)
    patients = [f"p{i}" for i in range(1000)]
    labels = [["rare"] if rng.random() < 0.02 else [] for _ in patients]
    rare = [i for i, row in enumerate(labels) if row]

    def worst(parts):
        return max(abs(Counter(parts[i] for i in rare)[p] - len(rare) / 5) for p in range(5))

    assert worst(deal(patients, [0.2] * 5, labels=labels)) < 1
    assert np.mean([worst(deal(patients, [0.2] * 5, seed=seed)) for seed in range(20)]) > 1.5


@pytest.mark.parametrize("form", [int, float, str, lambda fold: (str(fold),)])
def test_given_folds_are_numbered_in_their_own_order(form):
    assert numbered_folds([form(fold) for fold in (3, 1, 2, 10)], "strat_fold") == [2, 0, 1, 3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("8/1", "a split is train/val/test such as 8/1/1, got '8/1'"),
        ("2-fold", "folds serve as train, val and test, so there are at least 3, got '2-fold'"),
    ],
)
def test_what_is_no_division_is_one_clear_error(text, said):
    with pytest.raises(DataError, match=said):
        Division.parse(text)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, None, 3], "1 of 3 records have no value in the column 'f'; give a fold to each"),
        ([1, 1, 2], "the column 'f' names 2 fold"),
    ],
)
def test_a_column_that_is_no_fold_is_one_clear_error(values, said):
    with pytest.raises(DataError, match=said):
        numbered_folds(values, "f")


def labels_of(tmp_path, **columns):
    pd.DataFrame({"record_id": [f"p{i // 2}_{i}" for i in range(10)], **columns}).to_csv(tmp_path / "l.csv", index=False)
    return tmp_path / "l.csv"


def test_a_store_in_folds_tests_the_last_until_another_is_asked_for(prepare):
    store = prepare(split="5-fold")
    assert sorted(Counter(store.table["fold"]).items()) == [(i, 4) for i in range(5)]
    tested = []
    for fold in range(5):
        view = Store(store.path, fold=fold)
        assert set(view.table["fold"].iloc[view.indices("test")]) == {fold}
        assert set(view.table["fold"].iloc[view.indices("val")]) == {(fold - 1) % 5}
        tested += view.indices("test").tolist()
        assert (view.fingerprint == store.fingerprint) == (fold == 4)
    assert sorted(tested) == list(range(20))
    assert (store.table["split"] == Store(store.path, fold=4).table["split"]).all()


def test_folds_of_a_column_are_taken_and_are_no_target(prepare, tmp_path):
    labels = labels_of(tmp_path, strat_fold=[1, 1, 2, 2, 3, 3, 9, 9, 10, 10], dx=["AF"] * 10)
    store = prepare(labels=labels, split="strat_fold")
    assert store.targets == ("dx",)
    assert store.facts["folds"] == 5
    assert dict(zip(store.table["record_id"], store.table["split"], strict=True)) == {
        **{f"p{i // 2}_{i}": "train" for i in range(6)},
        "p3_6": "val",
        "p3_7": "val",
        "p4_8": "test",
        "p4_9": "test",
    }


def test_a_column_of_splits_under_another_name_is_taken(prepare, tmp_path):
    labels = labels_of(tmp_path, part=["train"] * 6 + ["val"] * 2 + ["test"] * 2)
    assert Counter(prepare(labels=labels, split="part").table["split"]) == {"train": 12, "val": 4, "test": 4}


def test_a_patient_in_two_given_folds_is_a_leak(prepare, tmp_path):
    with pytest.raises(LeakError, match="stand in more than one split"):
        prepare(labels=labels_of(tmp_path, fold_of=[1, 2, 3, 3, 3, 3, 1, 1, 2, 2]), split="fold_of")


def test_what_is_not_there_is_one_clear_error(prepare):
    with pytest.raises(DataError, match="a column of the source or the labels, got 'dx'; the columns are"):
        prepare(split="dx")
    store = prepare()
    with pytest.raises(DataError, match="has no folds; prepare it with --split 5-fold, or leave out the fold"):
        Store(store.path, fold=0)
    with pytest.raises(DataError, match="there are folds 0 to 4, got fold 5"):
        Store(prepare(out="folds", split="5-fold").path, fold=5)
