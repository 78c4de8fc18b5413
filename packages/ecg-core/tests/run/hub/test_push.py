"""What is put on the hub, and what is not; at a stand-in on this machine, through huggingface_hub itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import ecg_core
from ecg_core.data.files import read_json, write_json
from ecg_core.errors import ConfigError, RunError
from ecg_core.hub.licences import origin_of
from ecg_core.hub.pull import pull
from ecg_core.run.load import load
from ecg_core.run.training.sources import card_of

# huggingface_hub 2.4 itself uses a word that its HTTP client calls old, when it sends a large file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

IMPORTED = {"layout": "toy", "model": "Toy (Na, 2024)", "source": "https://example.org", "file": "toy.pt", "sha256": "0" * 64}


@pytest.fixture
def imported(finetuned, tmp_path):
    """A folder as `ecg weights import` writes it, of weights under a licence."""

    def make(licence: str) -> Path:
        folder = tmp_path / f"imported{len(licence)}"
        if not folder.exists():
            ecg_core.save_pretrained(finetuned(), folder)
            (folder / "run.json").unlink()
            write_json(folder / "model.json", {**read_json(folder / "model.json"), "imported": {**IMPORTED, "licence": licence}})
        return folder

    return make


def test_what_is_pushed_comes_back_and_answers_alike(hub, finetuned, capsys):
    run = finetuned()
    there = ecg_core.push(run, "owner/small", message="first", token="not-a-token")
    x = torch.randn(2, 2, 100)
    assert torch.equal(load(run).module(x), load(there).module(x))
    assert there == f"hf://owner/small@{hub.state('owner/small', 'main')[0]}"
    assert hub.messages == ["first"]
    assert capsys.readouterr().err == ""  # nobody watches, so no bar of the hub's client either
    assert list(hub.large.values()) == [(run / "model.safetensors").read_bytes()]  # weights go the way of large files
    assert set(hub.state("owner/small", "main")[1]) - {".gitattributes"} == {
        "README.md", "model.json", "model.safetensors", "pipeline.json", "run.json",
    }  # fmt: skip
    readme = hub.state("owner/small", "main")[1]["README.md"].decode()
    assert "\n# small\n" in readme
    assert 'ecg_core.load("hf://owner/small")' in readme
    assert "ecg predict hf://owner/small RECORDINGS/ -o predictions.csv" in readme


def test_a_new_repository_is_private_unless_it_is_to_be_public_and_the_token_is_the_one_given(hub, finetuned):
    run = finetuned()
    ecg_core.push(run, "hf://owner/mine", token="not-a-token")
    ecg_core.push(run, "hf://owner/ours", private=False, token="not-a-token")
    assert [(c["name"], c.get("private") or c.get("visibility") == "private") for c in hub.created] == [
        ("mine", True), ("ours", False),
    ]  # fmt: skip
    assert {c["token"] for c in hub.created} == {"Bearer not-a-token"}


@pytest.mark.parametrize(
    "licence", ["CC BY-NC 4.0: not for commercial use", "MIT for the code; the weights are their authors'", ""]
)
def test_weights_that_not_everybody_may_pass_on_are_not_pushed(hub, imported, licence):
    with pytest.raises(RunError, match="began with the weights of Toy .* so they are not put on the hub; .*--i-have-the-right"):
        ecg_core.push(imported(licence), "owner/small")
    assert hub.created == []


def test_who_has_the_right_pushes_and_the_licence_goes_along(hub, imported):
    licence = "CC BY-NC 4.0: not for commercial use"
    ecg_core.push(imported(licence), "owner/small", token="not-a-token", i_have_the_right=True)
    readme = hub.state("owner/small", "main")[1]["README.md"].decode()
    assert 'license: "cc-by-nc-4.0"' in readme
    assert f"Of the published weights it began with: {licence}." in readme


def test_free_weights_are_pushed(hub, imported):
    assert ecg_core.push(imported("MIT"), "owner/small", token="not-a-token").startswith("hf://owner/small@")


def test_a_licence_stays_with_what_is_fine_tuned_from_the_weights_and_with_what_comes_after(imported, finetuned):
    pytest.importorskip("huggingface_hub")
    first = finetuned("first", backbone=None, source=imported("CC BY-NC 4.0"))
    second = finetuned("second", backbone=None, source=first)
    assert card_of(second).facts["imported"]["licence"] == "CC BY-NC 4.0"
    with pytest.raises(RunError, match="began with the weights of Toy"):
        ecg_core.push(second, "owner/small")


def test_an_older_run_whose_card_names_no_licence_is_followed_to_the_weights_it_began_with(imported, finetuned):
    run = finetuned("first", backbone=None, source=imported("CC BY-NC 4.0"))
    facts = read_json(run / "model.json")
    del facts["imported"]
    write_json(run / "model.json", facts)
    card = card_of(run)
    from ecg_core.run.directory import RunDirectory

    assert origin_of(card, RunDirectory(run)).licence == "CC BY-NC 4.0"
    assert origin_of(card, None) is None


@pytest.mark.parametrize("repo", ["small", "owner/small@main", "https://huggingface.co/owner/small"])
def test_what_is_no_place_for_a_model_is_refused(finetuned, repo):
    with pytest.raises(ConfigError, match="hf://owner/name"):
        ecg_core.push(finetuned(), repo)


@pytest.mark.parametrize(
    ("status", "said"), [(403, "the hub does not let you write to owner/small"), (400, "the hub did not take hf://owner/small")]
)
def test_a_hub_that_refuses_is_one_sentence(hub, finetuned, status, said):
    hub.refuse = status
    with pytest.raises(RunError, match=said):
        ecg_core.push(finetuned(), "owner/small", token="not-a-token")


def test_a_hub_that_does_not_take_the_weights_is_one_sentence_and_there_is_no_commit(hub, finetuned, capsys):
    hub.full = True
    with pytest.raises(RunError, match=r"the hub did not take hf://owner/small \(.+\); try again later"):
        ecg_core.push(finetuned(), "owner/small", token="not-a-token")
    assert hub.repos["owner/small"] == []
    assert capsys.readouterr().err == ""


def test_a_hub_that_is_not_there_is_one_sentence(hub, finetuned, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RunError, match="the hub cannot be reached .* nothing was put at hf://owner/small"):
        ecg_core.push(finetuned(), "owner/small", token="not-a-token")


def test_a_name_that_the_hub_does_not_allow_is_refused(hub, finetuned):
    with pytest.raises(ConfigError, match=r"hf://owner/na--me is no address of the hub \(.+\)"):
        ecg_core.push(finetuned(), "owner/na--me", token="not-a-token")


def test_nothing_is_pushed_while_the_network_is_kept_away(hub, finetuned, monkeypatch):
    from huggingface_hub.errors import OfflineModeIsEnabled

    def offline(*words, **more):
        raise OfflineModeIsEnabled("offline")

    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", offline)
    with pytest.raises(RunError, match="hf://owner/small cannot be written to while HF_HUB_OFFLINE keeps the network away"):
        ecg_core.push(finetuned(), "owner/small", token="not-a-token")


def test_nothing_is_pushed_without_a_login(hub, finetuned):
    hub.refuse = 401
    with pytest.raises(RunError, match="hf auth login"):
        ecg_core.push(finetuned(), "owner/small")


def test_a_pulled_model_is_a_folder_of_ones_own(hub, finetuned, tmp_path, monkeypatch):
    run = finetuned()
    there = ecg_core.push(run, "owner/small", token="not-a-token")
    folder, address = pull("hf://owner/small", tmp_path / "mine")
    assert address == there
    hub.refuse = 500
    x = torch.randn(2, 2, 100)
    assert torch.equal(load(run).module(x), load(folder).module(x))
    assert not any(file.is_symlink() for file in folder.iterdir())
    with pytest.raises(ConfigError, match="an address of the hub is"):
        pull("owner/small", tmp_path / "again")
