"""Store: what was written is read, altered bytes are noticed, and every damage is a sentence."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg_core.data.store import SCHEMA, Store
from ecg_core.errors import DataError


@pytest.fixture
def store(prepare, tmp_path):
    names = [f"p{i // 2}_{i}" for i in range(10)]
    labels = pd.DataFrame({"record_id": names, "dx": ["AF", "AF;SR", "", "SR", "B", "", "AF", "SR", "SR", "SR"]})
    labels["split"] = ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    labels.to_csv(tmp_path / "labels.csv", index=False)
    return prepare(labels=tmp_path / "labels.csv")


# ---------------------------------------------------------------------------------------------- reading


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(order=st.lists(st.integers(0, 19), max_size=12))
def test_a_batch_is_its_rows_one_by_one(store, order):
    batch = store.batch(order, target="dx", classes=("AF", "SR"), seed=3, epoch=2)
    assert (len(batch), batch.seed, batch.epoch, batch.fs, batch.leads) == (len(order), 3, 2, 100, ("I", "II"))
    for i, index in enumerate(order):
        one = store.batch([index], target="dx", classes=("AF", "SR"), seed=3, epoch=2)
        assert np.array_equal(batch.signal[i], one.signal[0])
        assert np.array_equal(batch.targets[i], one.targets[0])
        assert (batch.record_keys[i], batch.patient[i], batch.segment[i]) == (one.record_keys[0], one.patient[0], one.segment[0])
        assert np.array_equal(batch.draws().uniform()[i], one.draws().uniform()[0])


def test_reading_is_from_the_file_and_never_changes_it(store):
    first = store.signals([3])
    first += 1
    assert not np.array_equal(store.signals([3]), first)
    assert store.verify() == 20


def test_windows_of_a_recording_have_keys_and_patients_of_their_own(store):
    batch = store.batch(np.arange(20))
    assert len(set(batch.record_keys.tolist())) == 20
    assert batch.patient.tolist() == [i // 4 for i in range(20)]
    assert batch.segment.tolist() == [0, 1] * 10


def test_splits_targets_and_classes_are_those_of_the_labels(store):
    assert store.indices("val").tolist() == [12, 13, 14, 15]
    assert store.indices("train", target="dx").tolist() == [0, 1, 2, 3, 6, 7, 8, 9]
    assert len(store.indices()) == 20
    assert store.classes("dx") == ("AF", "B", "SR")
    assert store.target_matrix("dx", ("AF", "SR"), np.array([0, 2, 4])).tolist() == [[1, 0], [1, 1], [0, 0]]
    assert store.target_matrix("dx", ("AF",), np.array([], int)).shape == (0, 1)


def test_a_window_as_a_record_holds_its_facts(store):
    record = store.record(2)
    assert (record.record_id, record.patient_id, record.labels, record.fs) == ("p0_1", "p0", {"dx": ("AF", "SR")}, 100)
    assert (record.age, record.sex) == (None, None)
    assert np.array_equal(record.signal, store.signals([2])[0])


def test_it_prints_its_size_and_splits(store):
    assert repr(store).endswith("store': 20 windows of 1 s at 100 Hz, 2 leads; 12 train, 4 val, 4 test)")


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda s: s.indices("dev"), "a split is one of train, val, test, got 'dev'"),
        (lambda s: s.classes("rhythm"), "has no target 'rhythm'; its targets: dx"),
        (lambda s: s.indices("train", target="rhythm"), "has no target 'rhythm'"),
    ],
)
def test_asking_for_what_is_not_there_is_one_clear_error(store, ask, said):
    with pytest.raises(DataError, match=said):
        ask(store)


def test_two_processes_worth_of_stores_read_the_same(store):
    assert np.array_equal(Store(store.path).signals([5, 1]), store.signals([5, 1]))


# ---------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("window", [0, 7, 8, 19])
def test_a_flipped_bit_is_found_and_its_record_named(store, window):
    row = store.table.iloc[window]
    file = store.path / "shards" / f"0000{row['shard']}.i16"
    data = bytearray(file.read_bytes())
    data[int(row["row"]) * 400 + 399] ^= 1
    file.write_bytes(data)
    with pytest.raises(
        DataError, match=rf"the signal of record '{row['record_id']}' was altered \(CRC-32 differs\); prepare the store again"
    ):
        Store(store.path).verify()


@pytest.mark.parametrize("change", ["cut", "longer", "gone"])
def test_a_shard_of_another_size_is_refused_before_it_is_read(store, change):
    file = store.path / "shards" / "00001.i16"
    data = file.read_bytes()
    file.unlink() if change == "gone" else file.write_bytes(data[:-1] if change == "cut" else data + b"\0")
    said = (
        "is missing" if change == "gone" else f"has {len(data) + (1 if change == 'longer' else -1)} bytes instead of {len(data)}"
    )
    with pytest.raises(DataError, match=f"00001.i16 {said}; prepare the store again"):
        Store(store.path).signals([0])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_store_json_that_was_cut_is_one_clear_error(store, share):
    file = store.path / "store.json"
    text = file.read_text()
    file.write_text(text[: int(len(text) * share)])
    with pytest.raises(DataError, match=r"store.json is damaged \(.*\); prepare the store again"):
        Store(store.path)


@pytest.mark.parametrize("value", ["[]", "null", "3", '"text"', "{}", '{"schema": 2}', '{"schema": 1, "fs": 100}', "\xff"])
def test_a_store_json_of_another_content_is_one_clear_error(store, value):
    (store.path / "store.json").write_bytes(value.encode("latin-1"))
    with pytest.raises(DataError, match="is damaged|has store schema"):
        Store(store.path)


def test_a_newer_schema_is_said(store):
    facts = json.loads((store.path / "store.json").read_text())
    (store.path / "store.json").write_text(json.dumps(facts | {"schema": SCHEMA + 1}))
    with pytest.raises(DataError, match=f"has store schema {SCHEMA + 1}, this version reads {SCHEMA}; prepare it again"):
        Store(store.path)


def test_an_altered_table_is_refused_even_when_its_rows_are_all_there(store):
    file = store.path / "table.csv"
    text = file.read_text()
    for changed in (text[:-8], text[:-2], text.replace("test", "train"), text.replace("AF", "SR"), ""):
        file.write_text(changed)
        with pytest.raises(DataError, match="table.csv is missing or was altered since it was written; prepare the store again"):
            Store(store.path)
    file.unlink()
    with pytest.raises(DataError, match="table.csv is missing"):
        Store(store.path)


def test_what_is_no_store_says_how_to_make_one(tmp_path):
    with pytest.raises(DataError, match=r"is not a prepared store \(no store.json\); make one with `ecg prep`"):
        Store(tmp_path)


def test_a_store_may_be_moved(store, tmp_path):
    shutil.move(store.path, tmp_path / "elsewhere")
    assert Store(tmp_path / "elsewhere").verify() == 20


def test_the_fingerprint_changes_with_signals_labels_and_splits(prepare, source):
    first = prepare("a").fingerprint
    assert prepare("b").fingerprint == first
    assert prepare("c", split="5/3/2").fingerprint != first
    np.save(source / "p0_0.npy", np.load(source / "p0_0.npy") * np.float32([[1], [1.01]]))
    assert prepare("d").fingerprint != first


def test_age_and_sex_are_in_a_batch_as_far_as_any_is_known(prepare, tmp_path):
    names = [f"p{i // 2}_{i}" for i in range(10)]
    facts = pd.DataFrame({"record_id": names, "age": [40.5, None] + [70] * 8, "sex": ["F", "M", None] + ["M"] * 7})
    facts.to_csv(tmp_path / "facts.csv", index=False)
    nothing = prepare().batch([0, 5])
    assert not nothing.has("age")
    assert not nothing.has("sex")
    some = prepare("some", labels=tmp_path / "facts.csv")
    batch = some.batch(range(len(some)))
    for number, name in enumerate(batch.record_ids):
        row = facts[facts["record_id"] == name].iloc[0]
        assert batch.age[number] == row["age"] or np.isnan(batch.age[number]) == pd.isna(row["age"]) is True
        expected = {"F": 0.0, "M": 1.0}.get(row["sex"], np.nan)
        assert np.array_equal(batch.sex[number], np.float32(expected), equal_nan=True)
    assert batch.age.dtype == batch.sex.dtype == np.float32
