"""Windows of one patient stand together: whole groups in every batch, the same at every resumption and in every process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ecg_core.contracts.grouping import Grouping
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.data.prepare import prepare
from ecg_core.data.store import Store
from ecg_core.discovery.registries import SSL
from ecg_core.errors import DataError
from ecg_core.run.groups import Groups, store_groups
from ecg_core.run.order import Batches, store_batches
from ecg_core.run.training.pretrain import pretrain

FS, LEADS = 50.0, ("I", "II")


def table(counts):
    """``counts[p][r]`` windows of recording r of patient p: patients and recordings, in the order of a store."""
    rows = [(f"p{p}", f"p{p}r{r}") for p, recordings in enumerate(counts) for r, n in enumerate(recordings) for _ in range(n)]
    return [p for p, _ in rows], [r for _, r in rows]


def batches_of(counts, size, grouping, seed=0):
    patients, recordings = table(counts)
    groups = Groups(patients, recordings, grouping)
    return Batches(range(len(patients)), size, lambda chosen, epoch: chosen.tolist(), seed=seed, groups=groups)


counts_of_patients = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=8)


@given(counts=counts_of_patients, size=st.integers(2, 4), apart=st.booleans(), seed=st.integers(-(2**65), 2**65))
def test_groups_are_of_one_patient_and_no_window_is_in_two(counts, size: int, apart: bool, seed: int) -> None:
    patients, recordings = table(counts)
    groups = Groups(patients, recordings, Grouping(size, apart=apart))
    order = groups.order(seed=seed, epoch=1)
    enough = [len(r) >= size if apart else sum(r) // size for r in counts]
    assert order.shape == (groups.count, size) == (sum(enough), size)
    assert len(set(order.ravel().tolist())) == order.size
    of_groups = [{patients[i] for i in row} for row in order]
    assert all(len(found) == 1 for found in of_groups)
    if apart:
        assert all(len({recordings[i] for i in row}) == size for row in order)
        assert len({next(iter(found)) for found in of_groups}) == len(order)  # no patient twice in an epoch


@given(counts=counts_of_patients, epoch=st.integers(0, 10**6))
def test_the_order_of_groups_is_a_pure_function_of_seed_and_epoch(counts, epoch: int) -> None:
    groups = Groups(*table(counts), Grouping(2))
    first = groups.order(seed=3, epoch=epoch)
    groups.order(seed=4, epoch=epoch + 1)
    np.random.default_rng(0).random(3)
    assert np.array_equal(groups.order(seed=3, epoch=epoch), first)


def test_another_epoch_or_seed_gives_other_groups() -> None:
    groups = Groups(*table([[4, 4], [4, 4], [6]]), Grouping(2))
    orders = {tuple(groups.order(seed=seed, epoch=epoch).ravel()) for seed in range(6) for epoch in range(6)}
    assert len(orders) == 36


def test_neighbours_are_of_one_recording_where_it_has_several_windows() -> None:
    patients, recordings = table([[2, 2, 2]] * 5)
    for row in Groups(patients, recordings, Grouping(4)).order(seed=0, epoch=0):
        assert sorted(Counter(recordings[i] for i in row).values()) == [2, 2]


def test_apart_every_pair_of_recordings_and_every_window_has_its_turn() -> None:
    groups = Groups(*table([[3, 2, 1]]), Grouping(2, apart=True))
    seen = {frozenset(groups.order(seed=0, epoch=epoch)[0].tolist()) for epoch in range(300)}
    assert seen == {frozenset(p) for p in [*((a, b) for a in (0, 1, 2) for b in (3, 4, 5)), (3, 5), (4, 5)]}


def test_what_is_left_over_in_one_epoch_comes_in_another() -> None:
    groups = Groups(*table([[5], [3]]), Grouping(2))
    assert groups.count == 3
    assert {i for epoch in range(40) for i in groups.order(seed=0, epoch=epoch).ravel()} == set(range(8))


def test_a_batch_holds_whole_groups_and_so_do_the_shares_of_two_processes() -> None:
    patients, _ = table([[2, 2]] * 6)
    batches = batches_of([[2, 2]] * 6, 9, Grouping(2))
    assert (batches.batch_size, len(batches)) == (8, 3)
    for number in range(3):
        batch = batches.get(0, number)
        for share in (batch[:4], batch[4:]):
            assert [patients[i] for i in share[::2]] == [patients[i] for i in share[1::2]]


def test_a_batch_of_groups_does_not_depend_on_those_asked_for_before() -> None:
    straight, jumping = (batches_of([[2, 2]] * 9, 8, Grouping(2, apart=True)) for _ in range(2))
    jumping.get(7, 1)
    jumping.get(1, 0)
    assert jumping.get(3, 1) == straight.get(3, 1)


def test_another_process_has_the_same_groups() -> None:
    code = (
        "import json; from ecg_core.run.groups import Groups; from ecg_core.contracts.grouping import Grouping\n"
        "g = Groups(list('aabbbb'), list('uvwxyz'), Grouping(2))\n"
        "print(json.dumps([g.order(seed=5, epoch=e).tolist() for e in range(4)]))"
    )
    there = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    groups = Groups(list("aabbbb"), list("uvwxyz"), Grouping(2))
    assert [groups.order(seed=5, epoch=epoch).tolist() for epoch in range(4)] == there


def test_wrong_sizes_and_patients_with_too_little_are_refused() -> None:
    with pytest.raises(ValueError, match="a group has at least 2 windows, got size=1; leave the grouping out"):
        Grouping(1)
    with pytest.raises(DataError, match="compares 2 recordings of one patient, and no patient of the split has so many"):
        batches_of([[3], [5]], 8, Grouping(2, apart=True))
    with pytest.raises(DataError, match="compares 4 windows of one patient, and no patient of the split has so many"):
        batches_of([[3], [2, 1]], 8, Grouping(4))
    with pytest.raises(DataError, match="compares 4 windows of one patient, got batches of 3; use larger ones"):
        batches_of([[4], [8]], 3, Grouping(4))


class Together(SSLMethod):
    """Learns nothing of note, and keeps which patients came."""

    grouping: ClassVar = Grouping(2, apart=True)
    requires: ClassVar = frozenset({"patient"})

    def __init__(self, backbone) -> None:
        super().__init__()
        self.backbone, self.scale = backbone, nn.Parameter(torch.ones(1))
        self.seen: list[tuple[list[int], tuple[str, ...]]] = []

    def loss(self, batch) -> Losses:
        self.seen.append((batch.patient.tolist(), batch.record_ids))
        return Losses(self.scale.square().sum() + self.backbone(batch.signal).square().mean())


def prepared(recordings: Path, folder: Path, patient_of) -> Store:
    rows = [{"record_id": f"r{i:02d}", "patient_id": patient_of(i), "split": "train" if i < 16 else "val"} for i in range(24)]
    pd.DataFrame(rows).to_csv(folder / "who.csv", index=False)
    return prepare(
        recordings, folder / "s", fs=FS, seconds=2.0, leads=LEADS, reader="numpy", labels=folder / "who.csv", pipeline=[]
    )


@pytest.fixture
def together():
    with SSL.isolated():
        SSL.add(Together, "together")
        yield {"method": "together", "backbone": "toy", "device": "cpu", "batch_size": 6, "epochs": 2}


def test_a_run_gives_a_method_the_groups_it_asks_for(recordings, tmp_path, together, monkeypatch) -> None:
    made = []
    monkeypatch.setattr(Together, "after_step", lambda self: made.append(self) if self not in made else None)
    store = prepared(recordings, tmp_path, lambda i: f"p{i // 2}" if i < 20 else f"q{i}")
    pretrain(store, tmp_path / "run", **together)
    assert made[0].seen
    for patients, names in made[0].seen:
        assert patients[::2] == patients[1::2]
        assert len(set(patients)) == len(patients) / 2
        assert all(a != b for a, b in zip(names[::2], names[1::2], strict=True))
    assert "val_loss" in (tmp_path / "run" / "metrics.jsonl").read_text()


def test_a_split_without_groups_is_not_validated_with(recordings, tmp_path, together) -> None:
    store = prepared(recordings, tmp_path, lambda i: f"p{i // 2}" if i < 16 else f"q{i}")
    pretrain(store, tmp_path / "run", **together)
    assert "val_loss" not in (tmp_path / "run" / "metrics.jsonl").read_text()


def test_data_of_one_recording_per_patient_are_refused_before_anything_is_written(recordings, tmp_path, together) -> None:
    store = prepared(recordings, tmp_path, lambda i: f"p{i}")
    with pytest.raises(DataError, match="compares 2 recordings of one patient, and no patient of the split has so many"):
        pretrain(store, tmp_path / "run", **together)
    assert not (tmp_path / "run").exists()


def test_windows_without_patients_are_refused(recordings, tmp_path) -> None:
    store = prepared(recordings, tmp_path, lambda i: f"p{i}" if i else None)
    message = "3 of 72 windows have no patient; prepare the data with it"
    with pytest.raises(DataError, match=message):
        store_groups(store, np.arange(len(store)), Grouping(2))
    with pytest.raises(DataError, match=message):
        store_batches(store, np.arange(len(store)), 8, device="cpu", seed=0, grouping=Grouping(2))


def test_an_empty_split_is_still_an_error_in_words(recordings, tmp_path) -> None:
    store = prepared(recordings, tmp_path, lambda i: f"p{i}")
    with pytest.raises(DataError, match="nothing to learn from"):
        store_batches(store, np.array([], dtype=int), 8, device="cpu", seed=0, grouping=Grouping(2))
