"""The road from recordings to a report, through the command line and through Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import ecg_core


def test_every_command_prints_the_next(ecg, tmp_path: Path) -> None:
    said = [
        ecg("doctor"),
        ecg("demo", tmp_path / "wfdb", "--records", 36, "--fs", 100),
        ecg("prep", tmp_path / "wfdb", tmp_path / "p", "--fs", 100, "--labels", tmp_path / "wfdb/labels.csv", "--split", "6/2/2"),
        ecg("pretrain", tmp_path / "p", "--method", "st_mem", "--backbone", "vit_tiny", "--epochs", 1, "--out", tmp_path / "ssl"),
        ecg("finetune", tmp_path / "p", "--from", tmp_path / "ssl", "--target", "dx", "--mode", "linear", "--epochs", 3, "--out",
            tmp_path / "dx"),
        ecg("evaluate", tmp_path / "dx", "--html", tmp_path / "report.html"),
        ecg("explain", tmp_path / "dx", tmp_path / "wfdb/r00003", "-o", tmp_path / "r.png"),
        ecg("predict", tmp_path / "dx", tmp_path / "wfdb", "-o", tmp_path / "predictions.csv"),
    ]  # fmt: skip
    for one in said:
        assert one.code == 0, one.error
        assert "next: ecg " in one.out
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(tmp_path / "predictions.csv")) == 36


def test_report_is_one_file_that_asks_for_nothing_from_the_network(finetuned: Path, tmp_path: Path) -> None:
    ecg_core.evaluate(finetuned, html=tmp_path / "report.html", repeats=50)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert page.count("data:image/png;base64,") >= 2


def test_predictions_for_a_folder_equal_those_of_the_evaluation(finetuned: Path, wfdb_folder: Path) -> None:
    """The same recording read from its file or from the store differs by the store's rounding to int16 only."""
    ecg_core.evaluate(finetuned, repeats=10)
    stored = pd.read_csv(finetuned / "predictions-test.csv").set_index("record_id")
    fresh = ecg_core.predict(finetuned, wfdb_folder).table.set_index("record_id").loc[stored.index]
    assert np.allclose(stored.to_numpy(), fresh.to_numpy(), atol=2e-3)


def test_explanation_covers_every_lead_and_sample_of_the_window(finetuned: Path, wfdb_folder: Path) -> None:
    explanation = ecg_core.explain(finetuned, wfdb_folder / "r00004")
    assert explanation.relevance.shape == (12, 1000)
    assert 0 <= explanation.relevance.min() <= explanation.relevance.max() <= 1
    assert explanation.target in ecg_core.load(finetuned).card.classes


def test_linear_probe_leaves_the_backbone_exactly_as_it_was(pretrained: Path, finetuned: Path) -> None:
    before = ecg_core.load(pretrained).module.state_dict()
    after = ecg_core.load(finetuned).module.backbone.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_full_fine_tuning_moves_every_layer(store: Path, pretrained: Path, tmp_path: Path) -> None:
    ecg_core.finetune(store, tmp_path / "full", target="dx", source=pretrained, mode="full", epochs=1, batch_size=8)
    before = ecg_core.load(pretrained).module
    after = ecg_core.load(tmp_path / "full").module.backbone
    for (name, old), new in zip(before.named_parameters(), after.parameters(), strict=True):
        assert not torch.equal(old, new), f"{name} did not move"


def test_a_multi_class_problem_gives_probabilities_that_sum_to_one(store: Path, wfdb_folder: Path, tmp_path: Path) -> None:
    backbone = {"name": "resnet18", "widths": [8], "depths": [1]}
    ecg_core.finetune(
        store, tmp_path / "m", target="dx", backbone=backbone, mode="linear", problem="multi_class", head="mlp", epochs=2
    )
    table = ecg_core.predict(tmp_path / "m", wfdb_folder).table
    assert np.allclose(table.drop(columns="record_id").sum(axis=1), 1, atol=1e-5)


def test_card_names_what_a_user_needs_to_use_the_model(finetuned: Path) -> None:
    card = json.loads((finetuned / "model.json").read_text(encoding="utf-8"))
    assert card["signal"]["fs"] == 100
    assert card["signal"]["unit"] == "mV"
    assert card["signal"]["leads"][3] == "aVR"
    assert [t["name"] for t in card["signal"]["pipeline"]] == ["bandpass", "resample"]
    assert {part["provider"] for part in card["provenance"]} == {"ecg-core", "ecg-backbones", "ecg-preproc"}
    assert "NORM" in card["classes"]


def test_same_seed_gives_the_same_weights(store: Path, tmp_path: Path) -> None:
    backbone = {"name": "resnet18", "widths": [8], "depths": [1]}
    for name in ("a", "b"):
        ecg_core.pretrain(store, tmp_path / name, method="simclr", backbone=backbone, epochs=1, batch_size=8, seed=3)
    first, second = (ecg_core.load(tmp_path / name).module.state_dict() for name in ("a", "b"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_listing_plugins_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys\n"
        "from ecg_core.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as left: assert not left.code, left.code\n"
        "heavy = {'torch', 'numpy', 'pandas', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    for words in (["plugins", "list"], ["plugins", "list", "--json"], ["--help"]):
        subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True)


def test_road_runs_on_ptb_xl_in_its_official_layout(recordings: Path, tmp_path: Path) -> None:
    store = ecg_core.prepare(recordings / "ptbxl", tmp_path / "prepared", fs=100.0)
    splits = store.table.groupby("split").size()
    assert (splits["train"], splits["val"], splits["test"]) == (723, 136, 128)  # folds 1-8, 9 and 10 of this selection
    assert store.classes("superclass") == ("CD", "HYP", "MI", "NORM", "STTC")
    backbone = {"name": "resnet18", "widths": [16, 32], "depths": [1, 1]}
    ecg_core.finetune(store, tmp_path / "run", target="superclass", backbone=backbone, mode="linear", epochs=30)
    evaluation = ecg_core.evaluate(tmp_path / "run", repeats=100)
    assert evaluation.macro_auroc.low > 0.5  # even a random encoder is better than chance
