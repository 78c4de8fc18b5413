"""The page about configurations is true: its files, its commands and its Python, as a reader would type them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import torch

from ecg_core.discovery.registries import BACKBONES
from ecg_core.run.load import load

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w.]+)`[^\n]*\n\n```\w+\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.search(r"```bash\n(.*?)```", PAGE, re.DOTALL)[1].splitlines()
PYTHON = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture
def here(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the page and ``prepared/``."""
    pytest.importorskip("yaml")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "prepared").symlink_to(store)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config_of(run: str) -> dict:
    return json.loads(Path(run, "run.json").read_text(encoding="utf-8"))["config"]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_of_the_page_train(ecg, here: Path, line: str) -> None:
    words = shlex.split(line)[1:]
    said = ecg(*words, "--epochs", 1, "--batch-size", 8, "--device", "cpu")
    assert said.code == 0, said.error
    config = config_of("runs/simclr")
    assert config["temperature"] == 0.2
    if "net.yaml" in line:
        assert config["backbone"]["widths"] == [16, 32, 64, 128]
        assert config["augment"] == [
            {"kind": "transforms", "name": "gaussian_noise", "p": 0.5},
            {"kind": "transforms", "name": "lead_dropout"},
        ]


def test_the_python_of_the_page_writes_the_same_backbone(here: Path) -> None:
    exec(compile(PYTHON, "configuration.md", "exec"), {})
    torch.manual_seed(0)
    first = BACKBONES.build(json.loads((here / "net.json").read_text(encoding="utf-8")))
    assert BACKBONES.to_config(first) == {"name": "resnet18", "in_leads": 12, "widths": [16, 32, 64, 128]}


def test_a_classifier_is_trained_from_files_for_all_its_parts(ecg, here: Path) -> None:
    (here / "head.json").write_text('{"name": "mlp", "hidden": 8}', encoding="utf-8")
    (here / "views.toml").write_text('[[transforms]]\nname = "gaussian_noise"\np = 0.5\n', encoding="utf-8")
    words = ("--backbone", "net.yaml", "--head", "head.json", "--augment", "views.toml", "--target", "dx", "--epochs", 1)
    assert ecg("finetune", "prepared", *words, "--device", "cpu", "--out", "runs/f").code == 0
    config = config_of("runs/f")
    assert (config["head"]["hidden"], config["backbone"]["widths"]) == (8, [16, 32, 64, 128])
    assert config["augment"]["transforms"] == [{"kind": "transforms", "name": "gaussian_noise", "p": 0.5}]
    assert load("runs/f").module.head.hidden.out_features == 8


def test_recordings_are_prepared_by_a_pipeline_in_any_format(ecg, here: Path, wfdb_folder: Path) -> None:
    (here / "p.toml").write_text('[[transforms]]\nname = "bandpass"\n\n[[transforms]]\nname = "normalize"\n', encoding="utf-8")
    (here / "p.yaml").write_text("- name: bandpass\n- normalize\n", encoding="utf-8")
    for name in ("p.toml", "p.yaml"):
        assert ecg("prep", wfdb_folder, here / name.replace(".", "_"), "--fs", 100, "--pipeline", name).code == 0
    chains = [json.loads((here / out / "store.json").read_text(encoding="utf-8"))["pipeline"] for out in ("p_toml", "p_yaml")]
    assert chains[0] == chains[1]
    assert [t["name"] for t in chains[0]] == ["bandpass", "normalize"]


def test_a_file_that_is_wrong_is_one_line_with_its_place(ecg, here: Path) -> None:
    (here / "net.yaml").write_text("name: resnet18\nwidths: [16\n", encoding="utf-8")
    said = ecg("pretrain", "prepared", "--method", "simclr", "--backbone", "net.yaml", "--out", "runs/x")
    assert (said.code, said.error.startswith("ecg: net.yaml:3:1: not YAML (expected ',' or ']'")) == (2, True)
    assert not (here / "runs").exists()


def test_a_model_of_another_version_is_told_in_one_line(ecg, finetuned: Path, copy, wfdb_folder: Path) -> None:
    run = copy(finetuned)
    card = json.loads((run / "model.json").read_text(encoding="utf-8"))
    for entry in card["provenance"]:
        entry["version"] = "0.0.9" if entry["provider"] == "ecg-backbones" else entry["version"]
    (run / "model.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.warnoptions", ["default"])
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("default")
            said = ecg("predict", run, wfdb_folder)
    assert said.code == 0
    assert f"ecg: {run / 'model.json'} was saved with ecg-backbones 0.0.9, and the ecg-backbones" in said.error
    assert "ProvenanceWarning" not in said.error
