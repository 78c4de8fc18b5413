"""`ecg finetune`: its words reach the run, and what it says of the result fits the question."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ecg_core.cli import finetune as module


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command asked for, of a training that does nothing."""
    seen: dict[str, Any] = {}
    facts: dict[str, Any] = {
        "mode": "full",
        "monitor": "val_auroc",
        "val_auroc": 0.9,
        "best_epoch": 3,
        "windows": 12,
        "examples": {"A": 5, "B": 0},
    }

    def train(store: Any, out: Path, **words: Any) -> Any:
        seen.update(words)
        return SimpleNamespace(facts={**facts, **seen.pop("facts", {})})

    monkeypatch.setattr("ecg_core.data.store.Store", lambda path, fold=None: path)
    monkeypatch.setattr("ecg_core.run.training.finetune.finetune", train)
    return seen


def test_words_of_an_adaptation_and_of_few_labels_are_passed_on(asked: dict[str, Any], tmp_path: Path) -> None:
    words = {
        "mode": "lora", "rank": 4, "alpha": 8.0, "stages": 2, "unfreeze": "gradual", "unfreeze_every": 3, "norm": "frozen",
        "fraction": 0.1, "shots": 5, "crops": 4, "crop_seconds": 2.5,
        "crop_answer": "max", "protocol": "strodthoff", "seed": 7,
    }  # fmt: skip
    module.finetune(tmp_path, target="dx", out=tmp_path / "run", source=tmp_path / "pre", **words)
    assert {word: asked[word] for word in words} == words
    assert asked["model"] is None  # so that the question chooses it


def test_words_that_are_left_out_are_left_to_the_protocol(asked: dict[str, Any], tmp_path: Path) -> None:
    module.finetune(tmp_path, target="dx", out=tmp_path / "run", backbone="resnet18")
    words = ("protocol", "mode", "batch_size", "optimizer", "scheduler", "epochs", "lr", "crops", "head")
    assert {word: asked[word] for word in words} == dict.fromkeys(words)


def test_what_was_changed_of_a_protocol_is_told(
    asked: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"epochs": {"protocol": 50, "run": 1}, "norm": {"protocol": None, "run": "frozen"}}
    asked["facts"] = {"protocol": {"name": "strodthoff", "changes": changes, "differs": ["this (published: that)"]}}
    module.finetune(tmp_path, target="dx", out=tmp_path / "run", backbone="resnet18")
    said = " ".join(capsys.readouterr().out.split())
    assert "trained by the protocol strodthoff, changed by hand (epochs 1 instead of 50; norm frozen instead of none)" in said
    assert "what differs from the paper of strodthoff: this (published: that)" in said


def test_a_class_without_an_example_is_told(asked: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module.finetune(tmp_path, target="dx", out=tmp_path / "run", backbone="resnet18")
    said = " ".join(capsys.readouterr().out.split())
    assert "best validation macro AUROC 0.900 in epoch 3" in said
    assert "no example of B was among them; take more patients to learn of it" in said
    assert "ecg evaluate" in said


@pytest.mark.parametrize(
    ("facts", "said", "then"),
    [
        ({"monitor": "val_r2", "val_r2": 0.5}, "best validation R² 0.500", "ecg evaluate"),
        ({"monitor": "val_f1", "val_f1": 0.75}, "best validation macro F1 of samples 0.750", "run --split test"),
        ({"monitor": "val_r2", "val_r2": None}, "no validation patients", "ecg evaluate"),
    ],
)
def test_what_is_said_of_other_questions(
    asked: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], facts: dict[str, Any], said: str, then: str
) -> None:
    asked["facts"] = facts
    problem = "regression" if facts["monitor"] == "val_r2" else "multi_label"
    module.finetune(tmp_path, target="x", out=tmp_path / "run", backbone="resnet18", problem=problem)
    printed = " ".join(capsys.readouterr().out.split())
    assert said in printed
    assert then in printed
    assert ("--html" in printed) == (facts["monitor"] == "val_auroc")
