"""Models of the hub wherever a run or a card is taken, from a stand-in on this machine; never from the network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import ecg_core
from ecg_core.errors import CheckpointError, ConfigError, RunError
from ecg_core.run.directory import RunDirectory
from ecg_core.run.from_hub import HubAddress, local, working_copy
from ecg_core.run.inference.export import export
from ecg_core.run.inference.predict import predict
from ecg_core.run.load import load
from ecg_core.run.scoring.evaluate import evaluate
from ecg_core.run.training.finetune import finetune


@pytest.fixture
def there(hub, finetuned, tmp_path):
    """The address of a model that was put on the stand-in, and its run."""
    run = finetuned()
    hub.put("owner/small", ecg_core.save_pretrained(run, tmp_path / "saved"))
    return "hf://owner/small", run


@pytest.mark.parametrize(
    ("text", "repo", "revision"),
    [
        ("hf://owner/name", "owner/name", None),
        ("hf://owner/name@v1.2", "owner/name", "v1.2"),
        (Path("hf://owner/name.x@refs/pr/1"), "owner/name.x", "refs/pr/1"),
    ],
)
def test_an_address_is_read_from_text_and_from_the_path_that_a_command_line_makes_of_it(text, repo, revision):
    assert HubAddress.of(text) == HubAddress(repo, revision)
    assert HubAddress.of(str(HubAddress(repo, revision))) == HubAddress(repo, revision)


def test_a_path_is_no_address_and_stays_itself(tmp_path):
    assert HubAddress.of("runs/hf") is None
    assert (local(tmp_path), working_copy(tmp_path)) == (tmp_path, tmp_path)


@pytest.mark.parametrize("text", ["hf://name", "hf://a/b/c", "hf://a/b@", "hf://../x/y", "hf:a/b"])
def test_what_begins_like_an_address_and_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="an address of the hub is hf://owner/name"):
        local(text)


def test_a_model_of_the_hub_gives_the_same_answers_as_the_run_it_was_saved_from(there):
    address, run = there
    mine, theirs = load(run), load(address)
    x = torch.randn(2, 2, 100)
    assert torch.equal(mine.module(x), theirs.module(x))
    assert theirs.signal == mine.signal


def test_only_json_safetensors_and_markdown_of_the_top_folder_are_fetched(there, hub):
    hub.commit("owner/small", {"evil.py": b"raise SystemExit", "model.bin": b"x", "sub/more.json": b"{}", "pickle.pkl": b"x"})
    folder = local(there[0])
    assert {f.suffix for f in folder.iterdir()} == {".json", ".safetensors", ".md"}
    assert not set(hub.fetched) & {"evil.py", "model.bin", "sub/more.json", "pickle.pkl"}


def test_altered_weights_are_refused_by_the_card(there, hub):
    state = hub.state("owner/small", "main")[1]
    hub.commit("owner/small", {"model.safetensors": state["model.safetensors"][:-1] + b"\x01"})
    with pytest.raises(CheckpointError):
        load(there[0])


def test_a_revision_names_the_state_it_names_whatever_was_pushed_later(there, hub):
    first = hub.state("owner/small", "main")[0]
    hub.commit("owner/small", {"README.md": b"later"})
    assert (local(f"{there[0]}@{first}") / "README.md").read_bytes() != b"later"
    assert (local(there[0]) / "README.md").read_bytes() == b"later"


def test_a_fetched_model_is_used_without_the_network(there, hub, monkeypatch):
    before = load(there[0]).card.path
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub.refuse, asked = 500, len(hub.asked)
    assert load(there[0]).card.path == before
    assert len(hub.asked) == asked


def test_without_network_and_without_a_copy_one_sentence_says_so(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RunError, match="hf://owner/small was never fetched whole, and HF_HUB_OFFLINE keeps the network away"):
        load("hf://owner/small")


def test_a_hub_that_does_not_answer_is_one_sentence(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RunError, match="the hub cannot be reached, and no whole copy of hf://owner/small is on this machine"):
        load("hf://owner/small")


def test_no_such_repository_is_one_sentence(hub):
    with pytest.raises(RunError, match="the hub has no model repository owner/none, or it is private"):
        load("hf://owner/none")


def test_no_such_revision_is_one_sentence(there):
    with pytest.raises(RunError, match="owner/small has no revision 'v9'; give a branch, a tag or a commit of it"):
        load(f"{there[0]}@v9")


def test_terms_that_were_not_accepted_are_one_sentence(there, hub):
    hub.refuse, hub.code = 403, "GatedRepo"
    with pytest.raises(RunError, match="hf://owner/small is given only to those who accept its terms"):
        load(there[0])


def test_a_name_that_the_hub_does_not_allow_is_one_sentence(hub):
    with pytest.raises(ConfigError, match=r"hf://owner/na--me is no address of the hub \(.+\)"):
        load("hf://owner/na--me")


def test_files_that_the_hub_does_not_give_are_one_sentence(there, hub):
    hub.refuse, hub.listings_too = 400, False
    with pytest.raises(RunError, match=r"the hub did not give hf://owner/small \(.+\); try again later"):
        load(there[0])


@pytest.mark.parametrize("files", [{"README.md": b"hello"}, {"other.bin": b"x"}])
def test_a_repository_without_a_card_is_one_sentence(hub, files):
    hub.commit("owner/foreign", files)
    with pytest.raises(RunError, match=r"hf://owner/foreign holds no card \(model.json or backbone.json\)"):
        load("hf://owner/foreign")


def test_what_is_saved_again_is_as_it_was_saved_first(there, hub, tmp_path):
    again = ecg_core.save_pretrained(there[0], tmp_path / "again")
    files = hub.state("owner/small", "main")[1]
    assert {f.name: f.read_bytes() for f in again.iterdir() if f.name != "README.md"} == {
        name: content for name, content in files.items() if name != "README.md"
    }
    assert "\n# small\n" in (again / "README.md").read_text()


def test_without_the_extra_the_install_line_is_given(there, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(ecg_core.errors.MissingExtraError, match=r"pip install 'ecg-core\[hub\]'"):
        load(there[0])


def test_a_fine_tuning_begins_with_a_model_of_the_hub_and_notes_its_commit(there, hub, store, tmp_path):
    words = {"target": "dx", "head": "toy_head", "epochs": 1, "device": "cpu"}
    run = finetune(store, tmp_path / "next", source=Path(there[0]), **words)
    assert run.facts["source"] == f"hf://owner/small@{hub.state('owner/small', 'main')[0]}"
    again = finetune(store, tmp_path / "next", source=there[0], resume=True, **words)
    assert again.facts["source"] == run.facts["source"]


def test_an_evaluation_of_what_began_with_a_model_of_the_hub_warns_that_nobody_knows_what_that_has_seen(there, store, tmp_path):
    words = {"target": "dx", "head": "toy_head", "epochs": 1, "device": "cpu"}
    run = finetune(store, tmp_path / "next", source=there[0], **words)
    warned = evaluate(run.path, repeats=5, floors=False).warnings
    assert len(warned) == 1
    assert warned[0].startswith("what hf://owner/small@")


def test_predict_answers_by_a_model_of_the_hub_as_by_its_run(there, recordings):
    address, run = there
    assert predict(Path(address), recordings, reader="numpy").table.equals(predict(run, recordings, reader="numpy").table)


def test_evaluate_writes_into_a_copy_and_never_into_the_cache(there, store):
    address, run = there
    cache = local(address)
    before = {f.name: f.read_bytes() for f in cache.iterdir()}
    there_too = evaluate(address, data=store, repeats=5, floors=False)
    assert there_too.macro_auroc == evaluate(run, repeats=5, floors=False).macro_auroc
    copy = working_copy(address)
    assert (copy / "evaluation-test.json").is_file()
    assert json.loads((copy / "thresholds.json").read_text())["rule"] == "threshold"
    assert {f.name: f.read_bytes() for f in cache.iterdir()} == before
    assert RunDirectory(working_copy(address)).facts["target"] == "dx"  # once more, with what was written


def test_evaluate_does_not_guess_which_data_a_model_of_the_hub_is_asked_about(there):
    with pytest.raises(ConfigError, match="give a store to evaluate it on with --data"):
        evaluate(there[0])


def test_a_card_alone_cannot_be_evaluated_and_says_so(there, hub, store):
    state = hub.state("owner/small", "main")[1]
    hub.commit("owner/alone", {name: state[name] for name in ("model.json", "model.safetensors")})
    assert load("hf://owner/alone").card.classes == ("DOWN", "UP", "WIDE")
    with pytest.raises(RunError, match="hf://owner/alone holds a card alone, without the run that made it"):
        evaluate("hf://owner/alone", data=store)


def test_an_export_of_a_model_of_the_hub_needs_a_place(there, tmp_path):
    with pytest.raises(ConfigError, match="say where the file goes with --out"):
        export(there[0])
    assert export(there[0], tmp_path / "m.pt2", to="torch").parity < 1e-4
