"""The card: what a model is, built again from names alone, or refused in words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ecg_core.data.store import Store
from ecg_core.discovery.registries import BACKBONES, COMMANDS, HEADS, TRANSFORMS
from ecg_core.errors import CheckpointError, RunError, UnknownComponentError
from ecg_core.run.card import SignalContract, load_card
from ecg_core.run.load import load


@pytest.fixture
def run(finetuned: Callable[..., Path]) -> Path:
    return finetuned()


def _edit(card: Path, **changes: object) -> Path:
    facts = json.loads(card.read_text(encoding="utf-8"))
    card.write_text(json.dumps({**facts, **changes}), encoding="utf-8")
    return card


def _facts(run: Path) -> dict:
    return json.loads((run / "model.json").read_text(encoding="utf-8"))


def test_a_card_names_the_provider_of_every_nested_component(run: Path) -> None:
    facts = _facts(run)
    assert {(p["kind"], p["name"], p["provider"]) for p in facts["provenance"]} == {
        ("models", "classifier", "ecg-core"),
        ("backbones", "toy", "this process"),
        ("heads", "toy_head", "this process"),
    }
    assert facts["classes"] == ["DOWN", "UP", "WIDE"]
    assert facts["signal"] == {"fs": 50.0, "leads": ["I", "II"], "samples": 100, "unit": "mV", "pipeline": []}


def test_a_model_comes_back_in_evaluation_mode_with_its_weights(run: Path) -> None:
    first, second = load(run).module, load(run / "model.json").module
    assert not first.training
    assert first.state_dict().keys() == second.state_dict().keys()
    assert all(torch.equal(t, second.state_dict()[name]) for name, t in first.state_dict().items())


def test_loading_leaves_the_random_state_alone(run: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load(run)
    assert torch.equal(torch.rand(3), expected)


def test_a_component_of_another_process_is_named_with_its_module(run: Path) -> None:
    del BACKBONES._local["toy"]
    with pytest.raises(
        UnknownComponentError,
        match=r"the backbone 'toy' was registered by (.*):ToyBackbone; import that module first: import \1$",
    ):
        load(run)


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("0.3.1", "'ecg-tcn>=0.3,<0.4'"),
        ("2", "'ecg-tcn>=2.0,<2.1'"),
        ("2024.11", "'ecg-tcn>=2024.11,<2024.12'"),
        ("1.0rc1", "'ecg-tcn==1.0rc1'"),
    ],
)
def test_a_component_of_a_package_that_is_gone_gives_the_line_that_installs_it(run: Path, version: str, line: str) -> None:
    part = {"kind": "backbones", "name": "tcn", "provider": "ecg-tcn", "version": version, "target": "ecg_tcn:TCN"}
    config = {**_facts(run)["config"], "backbone": {"kind": "backbones", "name": "tcn"}}
    _edit(run / "model.json", config=config, provenance=[part])
    with pytest.raises(UnknownComponentError, match=f"built with ecg-tcn {version}, which is not installed: pip install {line}$"):
        load(run)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "has schema 2, this version reads 1; update ecg-core"),
        ({"signal": {"fs": 50}}, r"is not a model card \(KeyError: 'leads'\)"),
        ({"kind": "spaceships"}, "is not a model card .*kind 'spaceships'"),
        ({"config": ["classifier"]}, "is not a model card"),
        ({"weights": {}}, r"is not a model card \(KeyError: 'file'\)"),
        ({"weights": {"file": "../other/model.safetensors", "sha256": ""}}, "its weights lie beside it"),
    ],
)
def test_a_card_of_something_else_is_refused(run: Path, changes: dict, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_card(_edit(run / "model.json", **changes))


def _hidden(config: dict, command: dict) -> list[dict]:
    signal = {"fs": 50, "leads": ["I", "II"], "samples": 100, "unit": "mV"}
    return [
        {"kind": "commands", "config": {"name": "boom"}},
        {"config": {**config, "backbone": command}},
        {"config": {**config, "head": {"kind": "heads", "name": "toy_head", "classes": [[{"deep": command}]]}}},
        {"signal": {**signal, "pipeline": [{"name": "compose", "transforms": [command]}]}},
    ]


@pytest.mark.parametrize("number", range(4))
def test_no_card_can_run_a_command(run: Path, number: int) -> None:
    """A configuration names classes to build; naming a command would do what the command does."""
    ran = []
    with COMMANDS.isolated():
        COMMANDS.add(lambda **words: ran.append(words), "boom")
        _edit(run / "model.json", **_hidden(_facts(run)["config"], {"kind": "commands", "name": "boom"})[number])
        with pytest.raises(CheckpointError, match="it names a component of kind 'commands'"):
            load(run).signal.chain()
    assert ran == []


def test_weights_of_another_model_are_refused_even_when_every_name_fits(run: Path, finetuned: Callable[..., Path]) -> None:
    other = finetuned("other", seed=1)
    shutil.copy(other / "model.safetensors", run / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged: its SHA-256 is \w{12}…, \w{12}… was written"):
        load(run)


def test_weights_that_are_gone_are_named(run: Path) -> None:
    (run / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing"):
        load(run)


def test_a_configuration_that_does_not_fit_its_weights_is_refused_in_words(run: Path) -> None:
    facts = _facts(run)
    wider = {**facts["config"]["backbone"], "width": 6}
    _edit(run / "model.json", config={**facts["config"], "backbone": wider})
    with pytest.raises(
        CheckpointError, match=r"model\.json: the weights do not fit: \d+ of another shape, e\.g\. backbone\.conv"
    ):
        load(run)


def test_a_file_that_is_no_safetensors_file_is_refused(run: Path) -> None:
    import hashlib

    (run / "model.safetensors").write_bytes(b"not tensors")
    weights = {"file": "model.safetensors", "sha256": hashlib.sha256(b"not tensors").hexdigest()}
    _edit(run / "model.json", weights=weights)
    with pytest.raises(CheckpointError, match="is not a safetensors file"):
        load(run)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"fs": 100.0}, "was trained with sampling frequency 100 Hz, .* has 50 Hz; prepare the data with --fs 100"),
        ({"leads": ("II", "I")}, "was trained with leads II,I, .* has I,II; prepare the data with --leads II,I"),
        (
            {"pipeline": ({"name": "normalize"},)},
            "was trained on another preprocessing pipeline than .* with the same --pipeline",
        ),
    ],
)
def test_data_of_another_kind_are_refused_with_the_option_that_helps(store: Store, words: dict, message: str) -> None:
    contract = SignalContract(**{"fs": 50.0, "leads": ("I", "II"), "samples": 100, "pipeline": (), **words})
    with pytest.raises(RunError, match=message):
        contract.check(store, Path("run"))


def test_data_of_the_same_kind_are_taken_whatever_the_window(store: Store) -> None:
    contract = SignalContract(50.0, ("I", "II"), 500, ())
    contract.check(store, Path("run"))
    assert contract.seconds == 10.0


def test_registries_are_left_as_they_were() -> None:
    assert "toy" in BACKBONES
    assert "toy_head" in HEADS
    assert "toy" not in TRANSFORMS
