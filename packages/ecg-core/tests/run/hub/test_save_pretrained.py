"""What is written for others: the folder, its README.md, and nothing of this machine."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

import ecg_core
from ecg_core.data.files import read_json, write_json
from ecg_core.errors import CheckpointError, OutputExistsError, RunError
from ecg_core.evaluation.regression import evaluate_numbers
from ecg_core.evaluation.samples import LabelledRecording, evaluate_samples
from ecg_core.hub.licences import hub_licence
from ecg_core.hub.markdown import interval, table
from ecg_core.hub.without_paths import without_paths
from ecg_core.run.load import load
from ecg_core.run.scoring.evaluate import evaluate
from ecg_core.run.training.pretrain import pretrain


def _readme(folder) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def test_a_saved_model_loads_and_answers_as_the_run(finetuned, tmp_path):
    run = finetuned()
    saved = ecg_core.save_pretrained(run, tmp_path / "saved")
    x = torch.randn(3, 2, 100)
    assert torch.equal(load(run).module(x), load(saved).module(x))
    assert {f.name for f in saved.iterdir()} == {"model.json", "model.safetensors", "pipeline.json", "run.json", "README.md"}
    assert read_json(saved / "model.json") == read_json(run / "model.json")


def test_the_readme_has_the_numbers_of_the_evaluation_with_their_intervals(finetuned, tmp_path):
    run = finetuned()
    evaluate(run, repeats=20)
    stored = read_json(run / "evaluation-test.json")
    text = _readme(ecg_core.save_pretrained(run, tmp_path / "saved"))
    for number in (stored["macro_auroc"], *(one["auroc"] for one in stored["per_class"])):
        assert f"{number['value']:.3f} ({number['low']:.3f} to {number['high']:.3f})" in text
    for threshold in stored["decisions"]["thresholds"]["values"]:
        assert f"| {threshold:.3f} |" in text
    assert "| random encoder |" in text
    assert f"Note: {stored['notes'][0]}." in text
    assert 'metrics:\n- "roc_auc"\n' in text
    assert "### Test split of the data it was trained on" in text


def test_warnings_of_an_evaluation_stand_in_the_readme_and_among_its_limits(finetuned, tmp_path):
    run = finetuned()
    evaluate(run, repeats=5, floors=False)
    stored = read_json(run / "evaluation-test.json")
    write_json(run / "evaluation-test.json", {**stored, "warnings": ["3 of 4 recordings were seen before"]})
    text = _readme(ecg_core.save_pretrained(run, tmp_path / "saved"))
    assert "**Warning:** 3 of 4 recordings were seen before." in text
    assert "may not have been new to it" in text


def test_no_path_of_this_machine_is_in_any_file_that_is_written(finetuned, store, tmp_path):
    first = finetuned("first")
    run = finetuned("second", backbone=None, source=first)
    evaluate(run, repeats=5)
    facts = read_json(run / "run.json")
    command = f"ecg finetune {store.path} --from {first} --out {run} --target dx"
    write_json(run / "run.json", {**facts, "environment": {**facts["environment"], "command": command}})
    saved = ecg_core.save_pretrained(run, tmp_path / "saved")
    for file in saved.iterdir():
        assert str(tmp_path).encode() not in file.read_bytes(), file.name
    assert "ecg finetune store --from first --out second --target dx" in _readme(saved)
    public = read_json(saved / "run.json")
    assert (public["data"]["path"], public["source"]) == ("store", "first (not published with it)")
    assert public["data"]["fingerprint"] == store.fingerprint
    assert "platform" not in public["environment"]


def test_what_is_not_known_is_named_as_not_known(finetuned, store, tmp_path):
    run = finetuned()
    (store.path / "store.json").unlink()
    text = _readme(ecg_core.save_pretrained(run, tmp_path / "saved"))
    assert "Not known: it has not been evaluated (`ecg evaluate`)." in text
    assert "Of these weights: not stated by their maker." in text
    assert "Of the data it was trained on: not known." in text
    assert "nothing more is known of it here" in text
    assert "People it has learned from: not known" in text
    assert not re.search(r"^license:", text, re.MULTILINE)


def test_what_the_maker_says_stands_in_the_readme_and_its_front_matter(finetuned, tmp_path):
    words = {"name": "small-one", "licence": "CC BY 4.0", "data_licence": "ODbL of PTB-XL"}
    text = _readme(ecg_core.save_pretrained(finetuned(), tmp_path / "saved", **words))
    assert text.startswith('---\nlicense: "cc-by-4.0"\nlibrary_name: "ecg-core"\n')
    assert "\n# small-one\n" in text
    assert "| licence | ODbL of PTB-XL |" in text


def test_the_front_matter_is_yaml_whatever_the_licence_is_called(finetuned, tmp_path):
    yaml = pytest.importorskip("yaml")
    text = _readme(ecg_core.save_pretrained(finetuned(), tmp_path / "saved", licence='mine: "all" - of it'))
    front = yaml.safe_load(text.split("---")[1])
    assert (front["license"], front["license_name"]) == ("other", 'mine: "all" - of it')
    assert front["tags"][:3] == ["ecg", "electrocardiogram", "toy"]


def test_the_readme_says_who_was_learned_from_split_by_split(finetuned, tmp_path):
    text = _readme(ecg_core.save_pretrained(finetuned(), tmp_path / "saved"))
    assert "| train | 16 | 16 | 48 |" in text
    assert "ages not known; sexes not known" in text
    assert "DOWN 24, UP 24, WIDE 18" in text


def test_an_encoder_says_that_it_answers_no_question_and_how_it_stood_at_the_end(store, tmp_path):
    pytest.importorskip("ecg_ssl")
    run = pretrain(store, tmp_path / "pre", method="vicreg", backbone="toy", epochs=1, device="cpu")
    text = _readme(ecg_core.save_pretrained(run.path, tmp_path / "saved"))
    assert "pre-trained with `vicreg`, without labels" in text
    assert "| rankme |" in text
    assert "ecg finetune prepared/ --from FOLDER --target TARGET" in text


def test_a_card_alone_is_saved_too(finetuned, tmp_path):
    card = finetuned() / "model.json"
    (card.parent / "run.json").unlink()
    saved = ecg_core.save_pretrained(card, tmp_path / "saved")
    assert not (saved / "run.json").exists()
    assert "a card alone, without the run that made it" in _readme(saved)
    assert load(saved).card.classes == ("DOWN", "UP", "WIDE")


def test_weights_that_are_not_those_of_the_card_are_not_saved(finetuned, tmp_path):
    run = finetuned()
    (run / "model.safetensors").write_bytes(b"other")
    with pytest.raises(CheckpointError, match="is missing or is not what model.json describes"):
        ecg_core.save_pretrained(run, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_a_folder_of_something_else_is_never_replaced_and_the_run_itself_neither(finetuned, tmp_path):
    run = finetuned()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text.tex").write_text("mine")
    with pytest.raises(OutputExistsError, match="already exists"):
        ecg_core.save_pretrained(run, tmp_path / "thesis")
    with pytest.raises(OutputExistsError, match="never replaced"):
        ecg_core.save_pretrained(run, tmp_path / "thesis", force=True)
    saved = ecg_core.save_pretrained(run, tmp_path / "saved")
    with pytest.raises(OutputExistsError, match="is where the model lies"):
        ecg_core.save_pretrained(saved, saved, force=True)
    assert ecg_core.save_pretrained(run, saved, force=True) == saved


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("the validation split of /data/my stores/x", "the validation split of my stores/x"),
        ("/tmp/a/b", "b"),
        ("~/runs/one and C:\\data\\two", "one and two"),
        ("--out=/tmp/a/b --lr 1/2", "--out=b --lr 1/2"),
        ("https://host.org/a/b hf://owner/name ECG/PPG", "https://host.org/a/b hf://owner/name ECG/PPG"),
    ],
)
def test_absolute_paths_are_cut_down_and_addresses_are_not(text, clean):
    assert without_paths(text) == clean
    assert without_paths({"a": [text, 1]}) == {"a": [clean, 1]}


def test_a_path_that_is_known_is_cut_down_whatever_signs_it_holds():
    assert without_paths("of /data/my stores/x", ("/data/my stores/x",)) == "of x"


@pytest.mark.parametrize(
    ("words", "there"),
    [
        ("MIT", "mit"),
        ("CC BY-NC 4.0: not for commercial use", "cc-by-nc-4.0"),
        ("CC BY-NC 4.0 with a notice of VUNO: not for commercial use", None),
        ("MIT for the code; the weights are their authors'", None),
        ("", None),
    ],
)
def test_licences_in_words_become_those_of_the_hub_where_it_has_them(words, there):
    assert hub_licence(words) == there


def _with_evaluation(run, stored):
    write_json(run / "evaluation-test.json", {"data": read_json(run / "run.json")["data"]["fingerprint"], **stored.to_dict()})


def test_numbers_of_a_model_of_amounts_stand_in_the_readme(finetuned, tmp_path):
    run = finetuned()
    truth = np.array([30.0, 40.0, 55.0, 70.0])
    found = evaluate_numbers(
        truth, truth + np.array([1.0, -2.0, 3.0, 2.0]), name="age", patients=list("abcd"), repeats=20, seed=0
    )
    _with_evaluation(run, found)
    text = _readme(ecg_core.save_pretrained(run, tmp_path / "saved"))
    assert "| age | value (95% interval) |" in text
    assert f"| mean absolute error | 2.000 ({found.mae.low:.3f} to {found.mae.high:.3f}) |" in text
    assert "| bias | 1.000 (" in text
    assert '- "mae"\n' in text


def test_numbers_of_a_model_of_samples_stand_in_the_readme(finetuned, tmp_path):
    run = finetuned()
    truth = np.repeat([0, 1], 50)
    one = LabelledRecording(truth, truth, {"onset": np.array([50])}, {"onset": np.array([53, 90])}, "a")
    found = evaluate_samples([one], classes=("none", "QRS"), kinds={"onset": "QRS onset"}, fs=100.0, repeats=5)
    _with_evaluation(run, found)
    text = _readme(ecg_core.save_pretrained(run, tmp_path / "saved"))
    assert "Macro F1 of samples: 1.000" in text
    assert "| QRS | 50 | 1.000 (" in text
    assert "Events, within 150 ms:" in text
    assert "| QRS onset | 1 | 0 |" in text


def test_a_number_that_is_undefined_is_called_so():
    assert interval({"value": None, "low": None, "high": None}) == interval(None) == "undefined"
    assert interval({"value": 0.5, "low": None, "high": None}) == "0.500"


def test_a_bar_in_a_cell_does_not_end_it():
    assert table(("a|b",), [("c\nd",)]) == ["| a\\|b |", "| --- |", "| c d |"]


def test_an_evaluation_that_is_damaged_is_named_and_nothing_is_saved(finetuned, tmp_path):
    run = finetuned()
    (run / "evaluation-test.json").write_text("{")
    with pytest.raises(RunError, match="evaluation-test.json is damaged .* run `ecg evaluate` again"):
        ecg_core.save_pretrained(run, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_what_is_saved_is_plain_json(finetuned, tmp_path):
    saved = ecg_core.save_pretrained(finetuned(), tmp_path / "saved")
    for file in saved.glob("*.json"):
        json.loads(file.read_text(encoding="utf-8"))
