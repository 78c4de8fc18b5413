"""Leaks: nothing is tested on what was learned, under whatever name, and what an encoder has seen before is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecg_core.data.prepare import prepare
from ecg_core.data.store import Store
from ecg_core.errors import LeakError
from ecg_core.run.directory import RunDirectory
from ecg_core.run.scoring.evaluate import evaluate
from ecg_core.run.scoring.leaks import pretraining_warnings, shared_recordings
from ecg_core.run.training.finetune import finetune

WORDS = {"fs": 50.0, "seconds": 2.0, "leads": ("I", "II"), "reader": "numpy", "pipeline": []}
TRAINING = {"target": "dx", "head": "toy_head", "epochs": 1, "device": "cpu"}


def test_a_clean_store_shares_nothing_between_its_splits(store: Store) -> None:
    shared = shared_recordings(store, store.indices("train"), store, store.indices("test"))
    assert shared == ([], [], [])


def test_the_same_signal_under_another_name_in_train_and_test_is_refused(recordings: Path, labels: Path, tmp_path: Path) -> None:
    # r03 trains, r22 tests. Whole copies are refused when a store is prepared; here a third of a recording is a copy.
    mixed = np.load(recordings / "r22.npy")
    mixed[:, 100:200] = np.load(recordings / "r03.npy")[:, 200:]
    np.save(recordings / "r22.npy", mixed)
    path = prepare(recordings, tmp_path / "s", labels=labels, **WORDS).path
    run = finetune(path, tmp_path / "run", backbone="toy", **TRAINING).path
    with pytest.raises(
        LeakError, match=r"the recordings 'r03' \(train\) and 'r22' \(test\) hold the same signal, so .*run would"
    ):
        evaluate(run, repeats=5)
    assert evaluate(run, split="val", repeats=5, floors=False).n_records == 4
    assert evaluate(run, split="train", repeats=5, floors=False).n_records == 16


def test_silence_is_nobodys_signal(recordings: Path, labels: Path, tmp_path: Path) -> None:
    for name in ("r03", "r22"):
        np.save(recordings / f"{name}.npy", np.zeros((2, 300), dtype=np.float32))
    store = prepare(recordings, tmp_path / "s", labels=labels, **WORDS)
    assert shared_recordings(store, store.indices("train"), store, store.indices("test")).signals == []


def test_a_run_is_not_tested_on_its_patients_in_another_store_of_the_same_recordings(
    finetuned: Callable[..., Path], recordings: Path, labels: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(labels)
    table["split"] = ["test" if i < 4 else "train" for i in range(len(table))]
    table.to_csv(tmp_path / "other.csv", index=False)
    other = prepare(recordings, tmp_path / "other", labels=tmp_path / "other.csv", **WORDS)
    with pytest.raises(LeakError, match=r"learned from patient p00 \(and 3 more\) of the test split of .*other; evaluate it on"):
        evaluate(finetuned(), data=other, repeats=5)


def test_without_patients_recordings_are_compared_by_name_and_only_within_one_source(
    recordings: Path, labels: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(labels).drop(columns="patient_id")
    table.to_csv(tmp_path / "a.csv", index=False)
    table["split"] = table["split"].replace({"train": "test", "test": "train"})
    table.to_csv(tmp_path / "b.csv", index=False)
    a = prepare(recordings, tmp_path / "a", labels=tmp_path / "a.csv", **WORDS)
    run = finetune(a, tmp_path / "run", backbone="toy", **TRAINING).path
    b = prepare(recordings, tmp_path / "b", labels=tmp_path / "b.csv", **WORDS)
    with pytest.raises(LeakError, match=r"learned from recording r00 \(and 15 more\) of the test split"):
        evaluate(run, data=b, repeats=5)
    rng = np.random.default_rng(5)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for file in sorted(recordings.glob("*.npy")):  # the same names, other hearts
        np.save(elsewhere / file.name, rng.normal(size=(2, 100)).astype(np.float32))
    c = prepare(elsewhere, tmp_path / "c", labels=tmp_path / "b.csv", **WORDS)
    assert evaluate(run, data=c, repeats=5, floors=False).n_records == 16


def test_equal_signals_are_found_between_stores_of_different_sources(store: Store, recordings: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    shutil.copy(recordings / "r05.npy", copies / "x.npy")
    other = prepare(copies, tmp_path / "o", split="1/0/0", **WORDS)
    shared = shared_recordings(store, store.indices("train"), other, other.indices())
    assert shared.signals == [("r05", "x")]
    assert shared.here == ["x"]
    coarse = prepare(copies, tmp_path / "o16", split="1/0/0", dtype="float16", **WORDS)
    assert shared_recordings(store, store.indices("train"), coarse, coarse.indices()).signals == []  # as documented


def test_an_encoder_that_has_met_recordings_of_the_split_is_flagged(
    store: Store, recordings: Path, labels: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(labels)
    table["split"] = ["val" if i == 0 else "train" for i in range(len(table))]
    table.to_csv(tmp_path / "all.csv", index=False)
    everything = prepare(recordings, tmp_path / "everything", labels=tmp_path / "all.csv", **WORDS)
    first = finetune(everything, tmp_path / "first", backbone="toy", **TRAINING).path
    second = finetune(store, tmp_path / "second", source=first, **TRAINING).path
    third = finetune(store, tmp_path / "third", source=second, **TRAINING).path
    found = evaluate(third, repeats=5, floors=False)
    (warning,) = found.warnings  # the second run knew its own training split only
    assert warning.startswith("4 of 4 recordings of the test split, e.g. r20, or others of their patients, are among those that")
    assert f"{first} was trained on, labels included" in warning
    assert f"warning: {warning}" in str(found)
    assert json.loads((third / "evaluation-test.json").read_text())["warnings"] == [warning]
    facts = json.loads((first / "run.json").read_text())
    (first / "run.json").write_text(json.dumps({**facts, "kind": "pretrain"}))
    assert (
        "pre-trained on, without their labels"
        in pretraining_warnings(RunDirectory(third), store, store.indices("test"), "test")[0]
    )


def test_what_cannot_be_known_is_said(store: Store, finetuned: Callable[..., Path], tmp_path: Path) -> None:
    first = finetuned("first")
    run = finetune(store, tmp_path / "run", source=first, **TRAINING)

    def warned() -> list[str]:
        return pretraining_warnings(RunDirectory(run.path), store, store.indices("test"), "test")

    assert warned() == []
    facts = json.loads((first / "run.json").read_text())
    (first / "run.json").write_text(json.dumps({**facts, "data": {**facts["data"], "fingerprint": "0" * 64}}))
    assert "is not as" in warned()[0]
    (first / "run.json").unlink()
    assert warned() == [f"what {first} was trained on is not there, so nobody can say whether it has seen the test split"]


def test_runs_that_began_with_each_other_do_not_go_round_for_ever(store: Store, finetuned: Callable[..., Path]) -> None:
    run = finetuned()
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "source": str(run)}))
    assert pretraining_warnings(RunDirectory(run), store, store.indices("test"), "test") == []
