"""Runs in a world that moved on: every command that takes one says what is missing and how to get it back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ecg_core.data.store import Store
from ecg_core.discovery.registries import BACKBONES
from ecg_core.errors import CheckpointError, ProvenanceWarning, RunError, UnknownComponentError
from ecg_core.run.card import load_card, save_model
from ecg_core.run.inference.explain import explain
from ecg_core.run.inference.predict import predict
from ecg_core.run.load import load
from ecg_core.run.scoring.evaluate import evaluate
from ecg_core.run.training.finetune import finetune

GONE = {"kind": "backbones", "name": "toy", "provider": "ecg-tcn", "version": "0.3.1", "target": "ecg_tcn.model:TCN"}
LINE = r"built with ecg-tcn 0\.3\.1, which is not installed: pip install 'ecg-tcn>=0\.3,<0\.4'$"


@pytest.fixture
def run(finetuned: Callable[..., Path]) -> Path:
    return finetuned()


def edit(file: Path, change: Callable[[dict], object]) -> None:
    facts = json.loads(file.read_text(encoding="utf-8"))
    change(facts)
    file.write_text(json.dumps(facts), encoding="utf-8")


def shipped_by(run: Path, name: str, /, **words: str) -> None:
    """Let the card and the run say that somebody else, or another version, shipped a component."""

    def change(facts: dict) -> None:
        (entry,) = [e for e in facts["provenance"] if e["name"] == name]
        entry.update(words)

    for file in ("model.json", "run.json"):
        edit(run / file, change)


@pytest.mark.parametrize("command", ["load", "predict", "evaluate", "explain", "finetune", "resume"])
def test_every_command_on_a_run_whose_package_is_gone_gives_the_install_line(
    run: Path, store: Store, recordings: Path, tmp_path: Path, command: str
) -> None:
    shipped_by(run, "toy", **GONE)
    del BACKBONES._local["toy"]
    words = {"target": "dx", "head": "toy_head", "device": "cpu"}
    commands = {
        "load": lambda: load(run),
        "predict": lambda: predict(run, recordings),
        "evaluate": lambda: evaluate(run),
        "explain": lambda: explain(run, recordings / "r00"),
        "finetune": lambda: finetune(store, tmp_path / "next", source=run, **words),
        "resume": lambda: finetune(store, run, backbone="toy", epochs=2, batch_size=16, resume=True, **words),
    }
    with pytest.raises(UnknownComponentError, match=LINE):
        commands[command]()


def test_a_run_started_anew_does_not_care_what_the_old_one_needed(run: Path, store: Store) -> None:
    shipped_by(run, "classifier", provider="ecg-gone", version="1.0")
    words = {"target": "dx", "backbone": "toy", "head": "toy_head", "device": "cpu", "epochs": 1, "batch_size": 16}
    again = finetune(store, run, force=True, **words)
    assert {e["provider"] for e in again.facts["provenance"]} == {"ecg-core", "this process"}


def test_a_run_is_resumed_with_a_word_about_the_other_version(run: Path, store: Store) -> None:
    shipped_by(run, "classifier", version="0.0.9")
    words = {"target": "dx", "backbone": "toy", "head": "toy_head", "device": "cpu", "epochs": 2, "batch_size": 16}
    with pytest.warns(ProvenanceWarning, match=r"run\.json was saved with ecg-core 0\.0\.9, and the ecg-core .* here is newer"):
        assert finetune(store, run, resume=True, **words).facts["epochs"] == 2


def test_a_run_whose_configuration_a_newer_package_spells_otherwise_is_the_same_run(
    run: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped_by(run, "classifier", version="0.0.9")

    def older(facts: dict) -> None:
        facts["config"]["question"] = facts["config"].pop("classes")

    def migrate(provider: str, kind: str, name: str, config: dict, version: str, who: str) -> dict:
        return {("classes" if word == "question" else word): value for word, value in config.items()}

    words = {"target": "dx", "backbone": "toy", "head": "toy_head", "device": "cpu", "epochs": 2, "batch_size": 16}
    edit(run / "run.json", older)
    with pytest.warns(ProvenanceWarning), pytest.raises(RunError, match="was started with another config"):
        finetune(store, run, resume=True, **words)
    monkeypatch.setattr("ecg_core.discovery.migration._asked", migrate)
    with pytest.warns(ProvenanceWarning):
        assert finetune(store, run, resume=True, **words).facts["epochs"] == 2


def test_a_model_of_another_version_is_loaded_with_one_warning(run: Path) -> None:
    shipped_by(run, "classifier", version="99.0.0")
    with pytest.warns(ProvenanceWarning) as caught:
        load(run)
    (said,) = [str(w.message) for w in caught]
    assert said.startswith(f"{run / 'model.json'} was saved with ecg-core 99.0.0, and the ecg-core ")
    assert said.endswith("installed here is older: results may differ; for those of then, pip install 'ecg-core>=99.0,<99.1'")


def test_a_component_that_refuses_its_configuration_is_a_sentence_with_the_versions_of_then(run: Path) -> None:
    edit(run / "model.json", lambda facts: facts["config"]["backbone"].update(wdith=3))
    with pytest.raises(CheckpointError) as caught:
        load(run)
    core = load_card(run / "model.json").facts["versions"]["ecg-core"]
    assert f"{run / 'model.json'} cannot be built here (TypeError: " in str(caught.value)
    assert "unexpected keyword argument 'wdith'" in str(caught.value)
    assert str(caught.value).endswith(f"; it was saved with ecg-core {core}")
    assert isinstance(caught.value.__cause__, TypeError)


def test_a_transform_of_the_preprocessing_that_is_gone_gives_the_install_line(run: Path, recordings: Path) -> None:
    entry = {**GONE, "kind": "transforms", "name": "denoise"}

    def change(facts: dict) -> None:
        facts["signal"]["pipeline"] = [{"name": "denoise", "level": 3}]
        facts["provenance"].append(entry)

    edit(run / "model.json", change)
    signal = load(run).signal  # the weights are whole all the same
    for use in (signal.chain, lambda: predict(run, recordings), lambda: explain(run, recordings / "r00")):
        with pytest.raises(UnknownComponentError, match=LINE):
            use()


def test_who_shipped_the_preprocessing_is_noted_too(recordings: Path, labels: Path, tmp_path: Path) -> None:
    pytest.importorskip("ecg_preproc")
    from ecg_core.data.prepare import prepare

    words = {"fs": 50.0, "seconds": 2.0, "leads": ("I", "II"), "reader": "numpy", "labels": labels}
    store = prepare(recordings, tmp_path / "s", pipeline=[{"name": "normalize"}], **words)
    run = finetune(store, tmp_path / "r", target="dx", backbone="toy", head="toy_head", epochs=1, batch_size=16, device="cpu")
    entries = json.loads((run.path / "model.json").read_text(encoding="utf-8"))["provenance"]
    assert ("transforms", "normalize", "ecg-preproc") in {(e["kind"], e["name"], e["provider"]) for e in entries}
    assert load(run.path).signal.chain().transforms[0].arguments == {}


def test_a_model_saved_again_is_of_the_packages_that_saved_it(run: Path, tmp_path: Path) -> None:
    """Its configuration is in their words by then, so their versions are the ones that can read it."""
    before = json.loads((run / "model.json").read_text(encoding="utf-8"))["provenance"]
    shipped_by(run, "classifier", version="0.0.9")
    with pytest.warns(ProvenanceWarning):
        loaded = load(run)
    card = save_model(tmp_path, "again", loaded.module, kind="models", signal=loaded.signal)
    assert json.loads(card.read_text(encoding="utf-8"))["provenance"] == before
    load(card)  # without a warning


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.update(provenance=3), "its provenance is a list"),
        (lambda f: f["provenance"][0].pop("version"), "its provenance is a list"),
        (lambda f: f["provenance"][0].update(kind="commands_"), "its provenance is a list"),
        (lambda f: f["config"].pop("name"), "KeyError: 'name'"),
        (lambda f: f["config"].update(name=3), "its configurations are mappings with a name"),
        (lambda f: f["signal"].update(pipeline=["bandpass"]), "its configurations are mappings with a name"),
    ],
)
def test_a_card_with_damaged_provenance_or_configurations_is_refused(run: Path, change: Callable, message: str) -> None:
    edit(run / "model.json", change)
    with pytest.raises(CheckpointError, match=rf"is not a model card \(.*{message}"):
        load(run)


def test_a_run_with_damaged_provenance_is_not_resumed(run: Path, store: Store) -> None:
    edit(run / "run.json", lambda facts: facts.update(provenance=[3]))
    with pytest.raises(RunError, match=r"run\.json is damaged \(its provenance is a list of .*\); train again with --force"):
        finetune(store, run, target="dx", backbone="toy", head="toy_head", device="cpu", resume=True)


def test_a_run_of_before_there_was_provenance_is_resumed(run: Path, store: Store) -> None:
    edit(run / "run.json", lambda facts: facts.pop("provenance"))
    words = {"target": "dx", "backbone": "toy", "head": "toy_head", "device": "cpu", "epochs": 2, "batch_size": 16}
    assert finetune(store, run, resume=True, **words).facts["epochs"] == 2
