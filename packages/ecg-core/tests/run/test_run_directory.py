"""The run directory: begun, resumed, replaced, refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ecg_core.data.store import Store
from ecg_core.errors import OutputExistsError, RunError
from ecg_core.run.directory import RunDirectory
from ecg_core.run.settings import Settings

CONFIG = {"name": "simclr", "backbone": {"kind": "backbones", "name": "resnet18", "depths": (1, 1)}}


def _create(path: Path, store: Store, *, force: bool = False, resume: bool = False, **words) -> RunDirectory:
    facts = {"kind": "finetune", "config": CONFIG, "settings": Settings(device="cpu"), "target": "dx", "mode": "full", **words}
    return RunDirectory.create(path, store=store, force=force, resume=resume, **facts)


def test_a_run_says_what_it_is(store: Store, tmp_path: Path) -> None:
    facts = json.loads((_create(tmp_path / "r", store).path / "run.json").read_text(encoding="utf-8"))
    assert facts["data"] == {"path": str(store.path), "fingerprint": store.fingerprint, "fold": None}
    assert facts["settings"]["lr"] == 1e-3
    assert facts["environment"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert (facts["kind"], facts["target"], facts["mode"]) == ("finetune", "dx", "full")


def test_the_command_is_stored_so_that_a_shell_takes_it_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shlex

    words = ["pretrain", "my store", "--backbone", '{"name": "resnet18"}']
    monkeypatch.setattr(sys, "argv", ["/usr/bin/ecg", *words])
    assert shlex.split(_create(tmp_path / "r", store).facts["environment"]["command"]) == ["ecg", *words]


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"absent does not exist; give the --out of `ecg pretrain` or `ecg finetune`"):
        RunDirectory(tmp_path / "absent")
    with pytest.raises(RunError, match=r"is not a run directory \(no run\.json\)"):
        RunDirectory(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"run\.json is damaged \(JSONDecodeError\)"),
        ("[1, 2]", r"run\.json is damaged \(TypeError\)"),
        ("\x00", r"run\.json is damaged"),
        ('{"schema": 1, "kind": "pretrain"}', r"run\.json is damaged \(no config, settings, data\)"),
        ('{"schema": 2, "kind": "pretrain", "config": {}, "settings": {}, "data": {}}', "has schema 2, this version reads 1"),
    ],
)
def test_a_damaged_description_is_an_error_in_words(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=message):
        RunDirectory(tmp_path)


def test_a_run_in_the_way_is_left_alone_and_both_ways_on_are_named(store: Store, tmp_path: Path) -> None:
    _create(tmp_path / "r", store)
    with pytest.raises(OutputExistsError, match="already exists; .* --resume to go on, --force to start again"):
        _create(tmp_path / "r", store)


def test_a_file_in_the_way_is_never_replaced(store: Store, tmp_path: Path) -> None:
    (tmp_path / "r").write_text("mine", encoding="utf-8")
    for words in ({}, {"force": True}, {"resume": True}):
        with pytest.raises(OutputExistsError, match="is a file; a run is a folder"):
            _create(tmp_path / "r", store, **words)
    assert (tmp_path / "r").read_text(encoding="utf-8") == "mine"


def test_a_folder_of_something_else_cannot_be_resumed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "thesis.tex").touch()
    with pytest.raises(RunError, match=r"holds no run to go on with \(no run\.json\)"):
        _create(tmp_path / "r", store, resume=True)


def test_a_run_killed_before_its_description_was_written_can_be_resumed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / ".run.json.99.tmp").touch()
    assert _create(tmp_path / "r", store, resume=True).kind == "finetune"


def test_the_same_run_is_found_again(store: Store, tmp_path: Path) -> None:
    before = (_create(tmp_path / "r", store).path / "run.json").read_bytes()
    found = _create(tmp_path / "r", store, resume=True)  # tuples were written as lists, which changes nothing
    assert (found.path / "run.json").read_bytes() == before
    assert _create(tmp_path / "r", store, resume=True, force=True).facts == found.facts


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"kind": "pretrain"}, r"another kind \('finetune', now 'pretrain'\)"),
        ({"settings": Settings(device="cpu", lr=0.5)}, r"another settings \(lr 0\.001, now 0\.5\)"),
        ({"config": {**CONFIG, "temperature": 0.2}}, r"another config \(temperature None, now 0\.2\)"),
        (
            {"config": {**CONFIG, "backbone": {**CONFIG["backbone"], "depths": (2, 2)}}},
            r"another config \(backbone depths \[1, 1\], now \[2, 2\]\)",
        ),
        ({"target": "rhythm"}, r"another target \('dx', now 'rhythm'\)"),
        ({"mode": "linear"}, r"another mode \('full', now 'linear'\)"),
    ],
)
def test_a_run_is_not_resumed_as_another_and_the_difference_is_named(
    store: Store, tmp_path: Path, words: dict, message: str
) -> None:
    _create(tmp_path / "r", store)
    with pytest.raises(RunError, match=rf"was started with {message}; resume with the same command, or start again with --force"):
        _create(tmp_path / "r", store, resume=True, **words)


def test_a_run_is_not_resumed_on_other_data(store: Store, tmp_path: Path) -> None:
    _create(tmp_path / "r", store)
    store.facts["fingerprint"] = "another"
    with pytest.raises(RunError, match="is not the data .* was started with; resume with the same data, or start again"):
        _create(tmp_path / "r", store, resume=True)


MINE = (
    "model.py",
    "model.pt",
    "backbone.onnx",
    "report-old.html",
    "evaluation-notes.json",
    "notes/a.txt",
    "checkpoints/mine.txt",
)
RUNS = (
    "metrics.jsonl", "model.json", "model.safetensors", "backbone.json", "backbone.safetensors", "report.html",
    "evaluation-test.json", "predictions-val.csv", "checkpoints/step-00000001/state.json",
    "checkpoints/.step-00000002.9.tmp/state.json",
)  # fmt: skip


def test_force_removes_what_a_run_writes_and_nothing_else(store: Store, tmp_path: Path) -> None:
    run = _create(tmp_path / "r", store).path
    for name in MINE + RUNS:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(name, encoding="utf-8")
    _create(run, store, force=True)
    assert [name for name in MINE if not (run / name).is_file()] == []
    assert [name for name in RUNS if (run / name).exists()] == []
    assert not list((run / "checkpoints").glob("*step*"))


def test_a_run_without_a_model_says_how_to_get_one(store: Store, tmp_path: Path) -> None:
    run = _create(tmp_path / "r", store)
    with pytest.raises(RunError, match="holds no trained model yet; finish it with --resume"):
        _ = run.card
    assert repr(run).endswith("finetune, unfinished)")


def test_how_a_run_ended_is_written(store: Store, tmp_path: Path) -> None:
    _create(tmp_path / "r", store).finish(steps=12, val_auroc=None)
    found = RunDirectory(tmp_path / "r")
    assert (found.facts["finished"], found.facts["steps"], found.facts["val_auroc"]) == (True, 12, None)
    assert repr(found).endswith("finetune, finished)")


def test_a_notebook_shows_what_was_trained_on_what(finetuned: Callable[..., Path], store: Store) -> None:
    run = RunDirectory(finetuned())
    html = run._repr_html_()
    for words in ("finetune", "random weights", str(store.path), "<th>target</th><td>dx</td>", "validation AUROC"):
        assert words in html
    run.facts["target"] = "<script>"
    assert "<script>" not in run._repr_html_()
