"""What ``ecg plugins new`` writes, installed by pip and untouched, does its job from end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from ecg_core.data.leads import STANDARD_12
from ecg_core.testing.toy import toy_signal

KINDS = ("backbone", "ssl", "transform", "reader", "model", "command")
TINY = '{"name": "resnet18", "widths": [8, 16], "depths": [1, 1]}'
ECG = ("-m", "ecg_core")


class Strangers(NamedTuple):
    """The packages as they were written, and the folder they are installed in."""

    sources: Path
    site: Path


@pytest.fixture(scope="module")
def strangers(installed, python, tmp_path_factory: pytest.TempPathFactory) -> Strangers:
    sources = tmp_path_factory.mktemp("sources")
    for kind in KINDS:
        python(sources, *ECG, "plugins", "new", f"my-{kind}", "--kind", kind, "--out", sources)
    return Strangers(sources, installed(*sorted(sources.iterdir())))


@pytest.fixture
def stranger(python, strangers: Strangers) -> Callable[..., str]:
    """Run ``ecg WORDS`` where they are installed; what it printed."""
    return lambda *words: python(strangers.site, *ECG, *words).stdout


def test_all_are_listed_as_ok(stranger) -> None:
    index = json.loads(stranger("plugins", "list", "--json"))
    shipped = {c["name"]: (p["name"], p["version"], c["status"]) for p in index["plugins"] for c in p["components"]}
    assert {kind: shipped.get(f"my_{kind}") for kind in KINDS} == {kind: (f"my-{kind}", "0.1.0", "ok") for kind in KINDS}
    assert index["problems"] == []


def test_the_check_finds_nothing_wrong_with_them(stranger) -> None:
    assert stranger("plugins", "check", *(f"my-{kind}" for kind in KINDS))


@pytest.mark.parametrize("kind", KINDS)
def test_it_passes_its_own_conformance_test(python, strangers: Strangers, kind: str) -> None:
    done = python(strangers.site, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=strangers.sources / f"my-{kind}")
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


def test_the_backbone_is_pretrained_and_finetuned(stranger, store: Path, tmp_path: Path) -> None:
    words = ("--epochs", 1, "--batch-size", 8)
    stranger("pretrain", store, "--method", "simclr", "--backbone", "my_backbone", *words, "--out", tmp_path / "s")
    stranger("finetune", store, "--from", tmp_path / "s", "--target", "dx", *words, "--out", tmp_path / "f")
    card = json.loads((tmp_path / "f" / "model.json").read_text(encoding="utf-8"))
    mine = [part for part in card["provenance"] if part["name"] == "my_backbone"]
    assert [part["provider"] for part in mine] == ["my-backbone"]


def test_the_method_pretrains_a_backbone_of_ours(stranger, store: Path, tmp_path: Path) -> None:
    words = ("--backbone", TINY, "--epochs", 2, "--batch-size", 8)
    stranger("pretrain", store, "--method", "my_ssl", *words, "--out", tmp_path / "s")
    lines = [json.loads(line) for line in (tmp_path / "s" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert any({"invariance", "variance", "covariance"} <= set(line) for line in lines)


def test_the_transform_prepares_a_store_and_augments_a_training(stranger, store: Path, wfdb_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "pipeline.json").write_text('[{"name": "my_transform", "decibels": 6.0, "p": 1.0}]', encoding="utf-8")
    stranger("prep", wfdb_folder, tmp_path / "p", "--fs", 100, "--pipeline", tmp_path / "pipeline.json")
    facts = json.loads((tmp_path / "p" / "store.json").read_text(encoding="utf-8"))
    assert facts["pipeline"] == [{"name": "my_transform", "decibels": 6.0, "p": 1.0}]
    words = ("--backbone", TINY, "--target", "dx", "--epochs", 1, "--batch-size", 8)
    stranger("finetune", store, *words, "--augment", "my_transform", "--out", tmp_path / "f")
    card = json.loads((tmp_path / "f" / "model.json").read_text(encoding="utf-8"))
    assert "my-transform" in {part["provider"] for part in card["provenance"]}


def test_the_reader_is_found_by_the_folder_it_recognises(stranger, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number, signal in enumerate(toy_signal(12, 12, 1000, fs=100.0)):
        lines = "\n".join(",".join(f"{value:.4f}" for value in column) for column in signal.T)
        text = f"# fs=100 unit=mV samples=1000\n{','.join(STANDARD_12)}\n{lines}\n"
        (folder / f"r{number:02d}.ecg.csv").write_text(text, encoding="utf-8")
    (folder / "cut.ecg.csv").write_text("# fs=100 unit=mV samples=1000\nI\n0.1\n", encoding="utf-8")
    stranger("prep", folder, tmp_path / "p", "--fs", 100, "--split", "2/1/1")
    facts = json.loads((tmp_path / "p" / "store.json").read_text(encoding="utf-8"))
    assert facts["reader"] == {"name": "my_reader"}
    assert (facts["recordings"], facts["rejects"]) == (12, 1)
    assert "1000 samples are promised, 1 came" in (tmp_path / "p" / "rejects.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("mode", ["linear", "full"])
def test_the_model_is_finetuned_evaluated_and_used(stranger, store: Path, wfdb_folder: Path, tmp_path: Path, mode: str) -> None:
    words = ("--backbone", TINY, "--target", "dx", "--mode", mode, "--epochs", 2, "--batch-size", 8)
    stranger("finetune", store, "--model", "my_model", *words, "--out", tmp_path / "f")
    assert "AUROC" in stranger("evaluate", tmp_path / "f", "--repeats", 20)
    stranger("predict", tmp_path / "f", wfdb_folder, "-o", tmp_path / "predictions.csv")
    card = json.loads((tmp_path / "f" / "model.json").read_text(encoding="utf-8"))
    assert "my-model" in {part["provider"] for part in card["provenance"]}
    assert (tmp_path / "predictions.csv").is_file()


def test_a_word_the_model_does_not_take_is_one_sentence(python, strangers: Strangers, store: Path, tmp_path: Path) -> None:
    words = ("--model", "my_model", "--backbone", TINY, "--target", "dx", "--problem", "multi_class", "--out", tmp_path / "f")
    done = python(strangers.site, *ECG, "finetune", store, *words, ok=False)
    assert done.returncode == 2
    assert "unexpected keyword argument 'problem'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "f").exists()


def test_the_command_runs_under_both_spellings(stranger, store: Path) -> None:
    counted = stranger("my-command", store)
    assert counted == stranger("my_command", store)
    assert [line.split(":")[0] for line in counted.splitlines()] == ["train", "val", "test"]
    assert "NORM" in counted
    assert "Count the windows of each class" in stranger("--help")
