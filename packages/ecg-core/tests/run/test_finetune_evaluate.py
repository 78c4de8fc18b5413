"""Fine-tuning and evaluation on a small store, with a task easy enough to be solved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ecg_core.data.prepare import prepare
from ecg_core.data.store import Store
from ecg_core.errors import ConfigError, DataError, RunError
from ecg_core.run.inference.predict import predict
from ecg_core.run.load import load
from ecg_core.run.progress import read_metrics
from ecg_core.run.scoring.evaluate import evaluate
from ecg_core.run.scoring.rivals import evaluated_rivals
from ecg_core.run.training.finetune import finetune


@pytest.mark.parametrize("mode", ["linear", "full"])
def test_an_easy_question_is_answered(finetuned: Callable[..., Path], mode: str) -> None:
    """UP and DOWN differ by the sign of the first lead's mean."""
    run = finetuned(mode=mode, epochs=20, lr=0.02)
    evaluation = evaluate(run, repeats=20)
    found = {result.name: result.auroc.value for result in evaluation.per_class}
    assert found["UP"] == found["DOWN"] == 1.0


def test_a_random_frozen_backbone_stays_as_it_was_built(finetuned: Callable[..., Path]) -> None:
    one, many = (load(finetuned(f"r{n}", mode="linear", epochs=n)).module for n in (1, 5))
    assert all(torch.equal(t, many.backbone.state_dict()[name]) for name, t in one.backbone.state_dict().items())
    assert not torch.equal(one.head.linear.weight, many.head.linear.weight)


def test_a_finetuned_run_is_where_another_can_start(finetuned: Callable[..., Path]) -> None:
    first = finetuned("first")
    second = finetuned("second", backbone=None, source=first, mode="linear", epochs=1)
    before, after = load(first).module.backbone.state_dict(), load(second).module.backbone.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"source": "x"}, ConfigError, "give either --from RUN .* or --backbone NAME"),
        ({"backbone": None}, ConfigError, "give either --from RUN .* or --backbone NAME"),
        ({"mode": "most"}, ConfigError, "mode must be one of linear, lora, partial, full, got 'most'"),
        ({"mode": "linear", "augment": ["compose"]}, ConfigError, "takes no augment; use mode=full"),
        ({"epochs": 0}, ConfigError, "epochs must be at least 1, got 0"),
        ({"device": "abacus"}, ConfigError, "device 'abacus' cannot be used here"),
        ({"target": "rhythm"}, DataError, "has no target 'rhythm'; its targets: dx"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_anything_is_written(
    store: Store, tmp_path: Path, words: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        finetune(store, tmp_path / "run", **{"target": "dx", "backbone": "toy", "head": "toy_head", **words})
    assert not (tmp_path / "run").exists()


def test_a_target_of_one_class_is_no_question(store: Store, tmp_path: Path) -> None:
    store.table["dx"] = pd.Series([("UP",)] * len(store), dtype=object)
    with pytest.raises(DataError, match=r"target 'dx' has 1 class\(es\) in the training split; at least two are needed"):
        finetune(store, tmp_path / "run", target="dx", backbone="toy", head="toy_head")


def test_the_best_epoch_is_the_one_that_is_kept(finetuned: Callable[..., Path]) -> None:
    run = finetuned(epochs=6, lr=0.05)
    lines = [line["val_auroc"] for line in read_metrics(run / "metrics.jsonl") if "validation" in line]
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert facts["val_auroc"] == max(lines)
    assert facts["best_epoch"] == 1 + lines.index(max(lines))
    assert (facts["finished"], facts["epochs"], facts["windows"]) == (True, 6, 48)


def test_without_validation_recordings_the_last_epoch_is_kept(store: Store, finetuned: Callable[..., Path]) -> None:
    store.table.loc[store.table["split"] == "val", "split"] = "train"
    facts = json.loads((finetuned() / "run.json").read_text(encoding="utf-8"))
    assert (facts["val_auroc"], facts["best_epoch"]) == (None, 2)


# ---------------------------------------------------------------- evaluation


def test_windows_of_a_recording_count_once(finetuned: Callable[..., Path], store: Store) -> None:
    run = finetuned()
    evaluation = evaluate(run, repeats=10)
    assert (evaluation.n_records, evaluation.n_patients) == (4, 4)  # of 12 windows
    assert [r.positives for r in evaluation.per_class] == [2, 2, 1]
    assert len(pd.read_csv(run / "predictions-test.csv")) == 4


def test_scores_are_those_that_predict_gives(finetuned: Callable[..., Path], recordings: Path) -> None:
    """Up to the store's rounding to int16."""
    run = finetuned()
    evaluate(run, repeats=10)
    stored = pd.read_csv(run / "predictions-test.csv").set_index("record_id")
    fresh = predict(run, recordings).table.set_index("record_id").loc[stored.index]
    np.testing.assert_allclose(stored.to_numpy(), fresh.to_numpy(), atol=1e-3)


def test_an_evaluation_says_what_it_was_made_of(finetuned: Callable[..., Path], store: Store) -> None:
    run = finetuned()
    evaluation = evaluate(run, split="val", repeats=10)
    written = json.loads((run / "evaluation-val.json").read_text(encoding="utf-8"))
    assert {k: written[k] for k in ("run", "data", "split", "target")} == {
        "run": str(run), "data": store.fingerprint, "split": "val", "target": "dx",
    }  # fmt: skip
    assert written["macro_auroc"]["value"] == pytest.approx(evaluation.macro_auroc.value)


@pytest.mark.parametrize(("split", "message"), [("tset", "a split is one of train, val, test, got 'tset'")])
def test_an_unknown_split_is_refused(finetuned: Callable[..., Path], split: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(finetuned(), split=split)


def test_a_split_without_labels_is_refused(finetuned: Callable[..., Path], store: Store) -> None:
    run = finetuned()
    store.table.loc[store.table["split"] == "test", "split"] = "train"
    with pytest.raises(DataError, match="the test split of .* has no recording with a label for 'dx'"):
        evaluate(run, data=store)


def test_only_what_was_evaluated_on_the_same_can_be_compared(finetuned: Callable[..., Path], tmp_path: Path) -> None:
    run, other = finetuned("run"), finetuned("other", seed=1)
    with pytest.raises(RunError, match=r"other has no evaluation-test\.json to compare with; run `ecg evaluate .*other"):
        evaluate(run, compare=[other], html=tmp_path / "r.html", repeats=10)
    assert not (run / "evaluation-test.json").exists()  # said before the work
    evaluate(other, repeats=10)
    file = other / "evaluation-test.json"
    stored = json.loads(file.read_text(encoding="utf-8"))
    for word in ("data", "target"):
        file.write_text(json.dumps({**stored, word: "another"}), encoding="utf-8")
        with pytest.raises(RunError, match=f"was evaluated on another {word}, so its numbers cannot stand beside these"):
            evaluate(run, compare=[other], html=tmp_path / "r.html", repeats=10)
    with pytest.raises(RunError, match="absent does not exist"):
        evaluate(run, compare=[tmp_path / "absent"], html=tmp_path / "r.html")


def test_runs_of_the_same_name_stand_beside_each_other(finetuned: Callable[..., Path]) -> None:
    runs = [finetuned("a/dx"), finetuned("b/dx"), finetuned("c")]
    for run in runs:
        evaluate(run, repeats=5)
    here = json.loads((runs[0] / "evaluation-test.json").read_text(encoding="utf-8"))
    titles = [rival.title for rival in evaluated_rivals(runs, "test", here)]
    assert titles == [f"{runs[0]} (from scratch, full)", f"{runs[1]} (from scratch, full)", "c (from scratch, full)"]


def test_a_report_tells_the_facts_of_data_and_training(finetuned: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run, other = finetuned("run"), finetuned("other", mode="linear")
    evaluate(other, repeats=10)
    evaluate(run, compare=[other], html=tmp_path / "my report.html", repeats=10, examples=1)
    page = (tmp_path / "my report.html").read_text(encoding="utf-8")
    for fact in (
        "dx: DOWN, UP, WIDE",
        "24 usable from",
        "48 train, 12 val, 12 test (this page: test)",
        "2 s at 50 Hz, 2 leads, mV",
        "other (random encoder, frozen, linear)",
        "full, 2 epochs",
        "my report.html&#x27;",  # quoted, so that a shell takes the command again
    ):
        assert fact in page, fact
    assert "--data" not in page  # it is the store of the run


def test_a_run_is_evaluated_on_the_fold_it_was_not_trained_on(recordings: Path, labels: Path, tmp_path: Path) -> None:
    words = {"fs": 50.0, "seconds": 2.0, "leads": ("I", "II"), "reader": "numpy", "labels": labels, "pipeline": []}
    path = prepare(recordings, tmp_path / "folds", split="4-fold", **words).path
    tested = []
    for fold in (1, 3):
        settings = {"target": "dx", "backbone": "toy", "head": "toy_head", "epochs": 1, "device": "cpu"}
        run = finetune(Store(path, fold=fold), tmp_path / f"run{fold}", **settings).path
        evaluate(run, repeats=5)
        found = set(pd.read_csv(run / "predictions-test.csv")["record_id"])
        evaluate(run, data=path, repeats=5)  # the store by name is still the store the run was trained on
        assert set(pd.read_csv(run / "predictions-test.csv")["record_id"]) == found
        view = Store(path, fold=fold)
        assert found == set(view.table["record_id"].iloc[view.indices("test")])
        tested.append(found)
    assert not tested[0] & tested[1]


def test_a_run_is_not_evaluated_on_a_fold_it_learned_from(recordings: Path, labels: Path, tmp_path: Path) -> None:
    words = {"fs": 50.0, "seconds": 2.0, "leads": ("I", "II"), "reader": "numpy", "labels": labels, "pipeline": []}
    path = prepare(recordings, tmp_path / "folds", split="4-fold", **words).path
    settings = {"target": "dx", "head": "toy_head", "epochs": 1, "device": "cpu"}
    run = finetune(Store(path, fold=1), tmp_path / "run", backbone="toy", **settings).path
    with pytest.raises(DataError, match=r"was trained with fold 1 of .* on recordings it learned from; use --fold 1"):
        evaluate(run, data=Store(path, fold=3))
    with pytest.raises(DataError, match="use --fold 1"):
        finetune(Store(path, fold=3), tmp_path / "other", source=run, **settings)
    with pytest.raises(DataError, match="use --fold 1"):
        finetune(Store(path, fold=3), tmp_path / "other", source=run / "model.json", **settings)
    assert finetune(path, tmp_path / "again", source=run, **settings).facts["data"]["fold"] == 1


def test_the_last_fold_is_one_division_whether_it_is_asked_for_or_not(recordings: Path, tmp_path: Path) -> None:
    words = {"fs": 50.0, "seconds": 2.0, "leads": ("I", "II"), "reader": "numpy", "pipeline": []}
    path = prepare(recordings, tmp_path / "folds", split="4-fold", **words).path
    assert Store(path).fingerprint == Store(path, fold=3).fingerprint != Store(path, fold=2).fingerprint
    assert Store(path).table["split"].tolist() == Store(path, fold=3).table["split"].tolist()


@pytest.mark.parametrize("mode", ["linear", "full"])
def test_a_run_minimises_the_loss_that_was_asked_for_and_its_model_remembers_it(
    finetuned: Callable[..., Path], store: Store, mode: str
) -> None:
    config = {"name": "multi_label_soft_margin_loss", "reduction": "mean"}
    run = finetuned(mode=mode, loss=config, epochs=1)
    task = load(run).module
    assert isinstance(task.objective.loss_function, torch.nn.MultiLabelSoftMarginLoss)
    assert not any(name.startswith("loss_function") for name in task.state_dict())
    resumed = finetuned(mode=mode, loss=config, epochs=1, resume=True)
    assert json.loads((resumed / "model.json").read_text())["config"]["loss_function"]["name"] == "multi_label_soft_margin_loss"


def test_a_loss_that_nobody_ships_is_an_error_with_a_near_name(finetuned: Callable[..., Path]) -> None:
    with pytest.raises(LookupError, match="no loss named 'hubert_loss'. Did you mean 'huber_loss'"):
        finetuned(loss="hubert_loss")
