"""``ecg hub`` and ``hf://`` on the command line; the hub is a stand-in on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ecg_core.cli.main import main
from ecg_core.data.files import read_json, write_json

# huggingface_hub 2.4 itself uses a word that its HTTP client calls old, when it sends a large file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def ecg(capsys):
    """Run a command: exit code, what it printed, what it told as an error."""

    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def there(hub, finetuned, ecg, monkeypatch):
    """A run that `ecg hub push` has put on the stand-in."""
    monkeypatch.setenv("HF_TOKEN", "not-a-token")
    run = finetuned()
    code, out, error = ecg("hub", "push", run, "hf://owner/small", "--licence", "mit")
    assert code == 0, error
    assert f"{run} is at hf://owner/small@{hub.state('owner/small', 'main')[0]}" in out
    return run


def test_save_lists_what_it_wrote_and_names_the_next_command(finetuned, ecg, tmp_path):
    run = finetuned()
    code, out, _ = ecg("hub", "save", run, tmp_path / "saved", "--licence", "mit", "--data-licence", "CC BY 4.0")
    assert code == 0
    assert "README.md, model.json, model.safetensors, pipeline.json, run.json" in out
    assert f"next: ecg hub push {run} hf://OWNER/NAME" in out
    readme = (tmp_path / "saved" / "README.md").read_text()
    assert 'license: "mit"' in readme
    assert "| licence | CC BY 4.0 |" in readme


def test_save_over_something_is_refused_in_one_line(finetuned, ecg, tmp_path):
    run = finetuned()
    assert ecg("hub", "save", run, tmp_path / "saved")[0] == 0
    code, _, error = ecg("hub", "save", run, tmp_path / "saved")
    assert (code, error.count("\n")) == (2, 1)
    assert "already exists" in error


def test_a_pushed_repository_is_private_unless_public_is_said(hub, there, ecg):
    assert ecg("hub", "push", there, "hf://owner/open", "--public")[0] == 0
    assert [c.get("private") or c.get("visibility") == "private" for c in hub.created] == [True, False]


def test_weights_under_a_licence_against_it_are_pushed_only_by_who_has_the_right(hub, there, ecg):
    facts = read_json(there / "model.json")
    write_json(there / "model.json", {**facts, "imported": {"model": "ST-MEM", "licence": "CC BY-NC 4.0"}})
    code, _, error = ecg("hub", "push", there, "hf://owner/other")
    assert (code, error.count("\n")) == (2, 1)
    assert "have the licence 'CC BY-NC 4.0', so they are not put on the hub" in error
    assert ecg("hub", "push", there, "hf://owner/other", "--i-have-the-right")[0] == 0
    card = json.loads(hub.state("owner/other", "main")[1]["model.json"])
    assert card["imported"]["licence"] == "CC BY-NC 4.0"


def test_pull_gives_a_folder_that_commands_take(there, ecg, recordings, tmp_path):
    code, out, _ = ecg("hub", "pull", "hf://owner/small", tmp_path / "mine")
    assert code == 0
    assert f"in {tmp_path / 'mine'}" in out
    assert ecg("predict", tmp_path / "mine", recordings, "--reader", "numpy")[0] == 0


def test_predict_takes_an_address_and_the_next_command_holds_it(there, ecg, recordings, tmp_path):
    code, out, error = ecg("predict", "hf://owner/small", recordings, "--reader", "numpy", "-o", tmp_path / "p.csv")
    assert code == 0, error
    assert "next: ecg explain hf://owner/small " in out
    assert (tmp_path / "p.csv").is_file()


def test_explain_and_export_take_an_address(there, ecg, recordings, tmp_path):
    picture = tmp_path / "r01.png"
    assert ecg("explain", "hf://owner/small", recordings / "r01", "--reader", "numpy", "-o", picture)[0] == 0
    assert ecg("export", "hf://owner/small", "--to", "torch", "-o", tmp_path / "m.pt2")[0] == 0
    assert picture.is_file()
    assert (tmp_path / "m.pt2").is_file()


def test_embed_takes_an_address(there, ecg, store, tmp_path):
    assert ecg("embed", "hf://owner/small", store.path, "-o", tmp_path / "e.npz")[0] == 0


def test_evaluate_takes_an_address_with_data_and_says_where_the_answers_are(hub, there, ecg, store):
    code, out, error = ecg("evaluate", "hf://owner/small", "--data", store.path, "--no-floors", "--repeats", 5)
    assert code == 0, error
    assert "predictions-test.csv" in out
    assert "next: ecg explain hf://owner/small RECORD" in out
    code, _, error = ecg("evaluate", "hf://owner/small")
    assert (code, error.count("\n")) == (2, 1)
    assert "--data" in error


def test_finetune_begins_from_an_address(there, ecg, store, tmp_path):
    words = ("finetune", store.path, "--from", "hf://owner/small", "--target", "dx", "--head", "toy_head", "--epochs", 1)
    code, _, error = ecg(*words, "--device", "cpu", "--out", tmp_path / "next")
    assert code == 0, error
    assert read_json(tmp_path / "next" / "run.json")["source"].startswith("hf://owner/small@")


def test_an_address_that_is_none_is_one_line(ecg, recordings):
    code, _, error = ecg("predict", "hf://name", recordings)
    assert (code, error) == (2, "ecg: an address of the hub is hf://owner/name or hf://owner/name@revision, got 'hf:/name'\n")


def test_a_process_of_its_own_finds_the_hub_and_its_cache_by_the_variables_of_the_hubs_client(hub, there, tmp_path):
    # `python -c`, because the command may not be on the path; the model is not built, so no toy is needed there.
    home = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}

    def pull(folder: str, **more: str) -> subprocess.CompletedProcess[str]:
        code = f"from ecg_core.cli.main import main; main(['hub', 'pull', 'hf://owner/small', {str(tmp_path / folder)!r}])"
        environment = {**os.environ, **home, **more}
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)

    assert pull("never", HF_HUB_OFFLINE="1").stderr == (
        "ecg: hf://owner/small was never fetched whole, and HF_HUB_OFFLINE keeps the network away; fetch it once without that "
        "variable\n"
    )
    online = pull("online")
    assert (online.returncode, online.stderr) == (0, "")
    asked = len(hub.asked)
    offline = pull("offline", HF_HUB_OFFLINE="1")
    assert (offline.returncode, len(hub.asked)) == (0, asked)
    files = [{f.name: f.read_bytes() for f in (tmp_path / name).iterdir()} for name in ("online", "offline")]
    assert files[0] == files[1] == {n: c for n, c in hub.state("owner/small", "main")[1].items() if n != ".gitattributes"}
