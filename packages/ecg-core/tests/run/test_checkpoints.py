"""Checkpoints: everything comes back bit for bit, and nothing damaged is ever loaded."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ecg_core.data import files
from ecg_core.errors import CheckpointError
from ecg_core.run.checkpoint import load_weights, newest_checkpoint, save_checkpoint

FILES = ("learner.safetensors", "optimizer.safetensors", "state.json", "SHA256SUMS")


def _trained(steps: int = 3, optimizer: type = torch.optim.AdamW, **words):
    torch.manual_seed(0)
    learner = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    made = optimizer(learner.parameters(), lr=0.1, **words)
    for _ in range(steps):
        made.zero_grad()
        learner(torch.randn(8, 3)).square().mean().backward()
        made.step()
    return learner, made


def _saved(folder: Path, step: int = 1, *, keep: int = 10) -> Path:
    return save_checkpoint(folder, *_trained(), {"step": step, "epoch": 0, "best": None}, keep=keep)


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (torch.optim.AdamW, {"betas": (0.8, 0.95), "weight_decay": 0.1}),
        (torch.optim.AdamW, {"amsgrad": True}),
        (torch.optim.SGD, {"momentum": 0.9}),
        (torch.optim.SGD, {}),
    ],
)
def test_weights_optimizer_and_random_state_come_back_bit_for_bit(tmp_path: Path, optimizer: type, words: dict) -> None:
    learner, made = _trained(3, optimizer, **words)
    save_checkpoint(tmp_path, learner, made, {"step": 3})
    expected_draw = torch.rand(5)
    fresh, other = _trained(1, optimizer, **words)
    newest_checkpoint(tmp_path).restore(fresh, other)
    assert torch.equal(torch.rand(5), expected_draw)
    for name, tensor in learner.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor), name
    before, after = made.state_dict(), other.state_dict()
    assert before["param_groups"] == after["param_groups"]
    assert before["state"].keys() == after["state"].keys()
    for number, values in before["state"].items():
        for name, value in values.items():
            found = after["state"][number][name]
            assert torch.equal(found, value) if value is not None else found is None
            assert value is None or found.dtype == value.dtype


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_is_noticed(tmp_path: Path, name: str) -> None:
    file = _saved(tmp_path) / name
    whole, rng = file.read_bytes(), np.random.default_rng(0)
    for place in rng.choice(8 * len(whole), size=200, replace=False):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << (place % 8)
        file.write_bytes(flipped)
        with pytest.raises(CheckpointError, match="damaged"):
            newest_checkpoint(tmp_path)
    file.write_bytes(whole)
    assert newest_checkpoint(tmp_path).state["step"] == 1


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_and_a_missing_file_are_noticed(tmp_path: Path, name: str) -> None:
    file = _saved(tmp_path) / name
    whole = file.read_bytes()
    for length in np.random.default_rng(1).choice(len(whole), size=100, replace=False):
        file.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="damaged"):
            newest_checkpoint(tmp_path)
    file.unlink()
    with pytest.raises(CheckpointError, match=f"{name} is (missing|damaged)"):
        newest_checkpoint(tmp_path)


def test_the_sums_are_those_of_sha256sum(tmp_path: Path) -> None:
    import hashlib

    folder = _saved(tmp_path)
    for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        expected, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected


def test_a_damaged_newest_gives_way_to_the_one_before_and_says_so(tmp_path: Path) -> None:
    _saved(tmp_path, 1)
    (_saved(tmp_path, 2) / "state.json").write_text("{}", encoding="utf-8")
    with pytest.warns(UserWarning, match=r"step-00000002.*is damaged.*going on from step-00000001"):
        assert newest_checkpoint(tmp_path).state["step"] == 1


def test_when_all_are_damaged_the_message_says_to_start_again(tmp_path: Path) -> None:
    for step in (1, 2):
        (_saved(tmp_path, step) / "learner.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"step-00000002.*no earlier checkpoint is whole, start again with --force"):
        newest_checkpoint(tmp_path)


def test_a_folder_that_never_had_one_has_none(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "absent") is None


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_only_the_newest_are_kept(tmp_path: Path, keep: int) -> None:
    for step in range(1, 6):
        _saved(tmp_path, step, keep=keep)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"step-{s:08d}" for s in range(6 - keep, 6)]


def test_going_on_from_an_earlier_step_never_deletes_what_was_just_written(tmp_path: Path) -> None:
    """With keep=1 a damaged later checkpoint must not count as the one to keep."""
    _saved(tmp_path, 5)
    (_saved(tmp_path, 7) / "state.json").write_text("{", encoding="utf-8")
    _saved(tmp_path, 6, keep=1)
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000006"]
    assert newest_checkpoint(tmp_path).state["step"] == 6


def test_what_a_killed_process_left_disturbs_nothing_and_is_cleared_by_the_next_save(tmp_path: Path) -> None:
    whole = _saved(tmp_path, 1)
    shutil.copytree(whole, tmp_path / ".step-00000002.99.tmp")
    shutil.copytree(whole, tmp_path / ".step-00000001.99.old")
    (tmp_path / ".step-00000002.99.tmp" / "state.json").write_text("half", encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert newest_checkpoint(tmp_path).state["step"] == 1
    _saved(tmp_path, 2, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000001", "step-00000002"]


def test_a_write_that_fails_at_any_point_leaves_the_previous_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call to the disk fails once, in turn, as if it were full."""
    real = {name: getattr(os, name) for name in ("fsync", "replace")}
    failures = 0
    for fatal in range(1, 50):
        folder, calls = tmp_path / str(fatal), 0
        _saved(folder, 1)

        def failing(name: str, fatal: int = fatal):
            def call(*words):
                nonlocal calls
                calls += 1
                if calls == fatal:
                    raise OSError(28, "No space left on device")
                return real[name](*words)

            return call

        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(files.os, name, failing(name))
            try:
                _saved(folder, 2)
                break
            except OSError:
                failures += 1
        # Sync, rename and sync of state.json, syncs of four files and their folder, the rename that counts, a last sync.
        assert newest_checkpoint(folder).state["step"] == (1 if fatal < 10 else 2)
        assert not list(folder.glob(".*"))
    assert failures == 10
    assert newest_checkpoint(folder).state["step"] == 2


def test_a_checkpoint_of_another_learner_or_optimizer_is_refused_in_words(tmp_path: Path) -> None:
    _saved(tmp_path)
    found = newest_checkpoint(tmp_path)
    _, optimizer = _trained()
    for other, word in ((nn.Linear(3, 4), "missing"), (nn.Sequential(nn.Linear(3, 9), nn.BatchNorm1d(9)), "unexpected")):
        with pytest.raises(CheckpointError, match=rf"resume with the settings.*do not fit: \d+ {word}"):
            found.restore(other, optimizer)
    learner, _ = _trained()
    one_group = torch.optim.AdamW([next(iter(learner.parameters()))])
    with pytest.raises(CheckpointError, match="does not fit this optimizer"):
        found.restore(learner, one_group)


def test_weights_of_another_shape_are_refused_in_words() -> None:
    with pytest.raises(CheckpointError, match=r"model\.json: the weights do not fit: 2 of another shape, e\.g\. weight"):
        load_weights(nn.Linear(3, 4), nn.Linear(3, 5).state_dict(), "model.json")


def test_a_checkpoint_from_a_machine_with_more_gpus_can_be_resumed(tmp_path: Path) -> None:
    learner, optimizer = _trained()
    save_checkpoint(tmp_path, learner, optimizer, {"step": 1})
    found = newest_checkpoint(tmp_path)
    found.optimizer["rng.cuda.7"] = torch.zeros(16, dtype=torch.uint8)
    found.restore(learner, optimizer)
