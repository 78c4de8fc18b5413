"""Fine-tuning on numbers: targets from a labels file or from facts, standardised inside, in the labels' unit outside."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ecg_core.contracts.head import Head
from ecg_core.data.numbers import numbers_of
from ecg_core.data.prepare import prepare
from ecg_core.data.store import Store
from ecg_core.errors import ConfigError, DataError, LeakError
from ecg_core.evaluation.regression import evaluate_numbers
from ecg_core.run.inference.explain import explain
from ecg_core.run.inference.predict import predict
from ecg_core.run.load import load
from ecg_core.run.progress import read_metrics
from ecg_core.run.scoring.evaluate import evaluate
from ecg_core.run.training.finetune import build_task, finetune
from ecg_core.tasks.regression import RegressionTask


@pytest.fixture
def levels(tmp_path: Path) -> Path:
    """24 recordings, each of another level of its first lead, in mV."""
    folder = tmp_path / "levels"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i, level in enumerate(_levels()):
        signal = rng.normal(0, 0.1, (2, 300)).astype(np.float32)
        signal[0] += level
        np.save(folder / f"r{i:02d}.npy", signal)
    return folder


def _levels() -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, 24)


@pytest.fixture
def numeric(levels: Path, tmp_path: Path) -> Store:
    """Their rate is 70 + 30 · level; every sixth has none; their age is 50 + 20 · level."""
    rows = [
        {
            "record_id": f"r{i:02d}",
            "patient_id": f"p{i:02d}",
            "rate": None if i % 6 == 5 else round(70 + 30 * level, 2),
            "age": 50 + 20 * level,
            "word": "slow" if level < 0 else "fast",
            "split": "train" if i < 14 else ("val" if i < 19 else "test"),
        }
        for i, level in enumerate(_levels())
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "numbers.csv", index=False)
    words = {"fs": 50.0, "seconds": 2.0, "leads": ("I", "II"), "reader": "numpy", "pipeline": []}
    return prepare(levels, tmp_path / "numeric", labels=tmp_path / "numbers.csv", **words)


@pytest.fixture
def train(numeric: Store, tmp_path: Path) -> Callable[..., Path]:
    def run(name: str = "run", **words: Any) -> Path:
        settings = {"target": "rate", "problem": "regression", "backbone": "toy", "head": "toy_head", "epochs": 2, **words}
        return finetune(numeric, tmp_path / name, batch_size=8, device="cpu", **settings).path

    return run


@pytest.mark.parametrize("mode", ["linear", "full", "lora"])
def test_a_rate_that_the_signal_shows_is_predicted_in_its_unit(
    train: Callable[..., Path], numeric: Store, levels: Path, mode: str
) -> None:
    run = train(mode=mode, epochs=150, lr=0.03, backbone={"name": "toy", "width": 16})
    table = predict(run, levels).table.set_index("record_id")
    assert list(table.columns) == ["rate"]
    truth = pd.Series(70 + 30 * _levels(), index=[f"r{i:02d}" for i in range(24)])
    test = [f"r{i:02d}" for i in range(19, 24)]
    found = evaluate_numbers(truth[test], table["rate"][test], name="rate", repeats=20)
    assert found.mae.value < 5.0  # beats per minute; the rates' standard deviation is 17
    assert json.loads((run / "run.json").read_text())["val_r2"] > 0.9


def test_windows_without_a_number_take_no_part(train: Callable[..., Path], numeric: Store) -> None:
    facts = json.loads((train() / "run.json").read_text(encoding="utf-8"))
    assert (facts["windows"], facts["patients"]) == (3 * 12, 12)  # recordings 5 and 11 of the 14 have none
    assert np.isnan(numbers_of(numeric, "rate")).sum() == 3 * 4


def test_the_scale_is_that_of_the_training_labels_and_saved_with_the_weights(train: Callable[..., Path]) -> None:
    task = load(train()).module
    kept = np.round(70 + 30 * _levels()[:14], 2)[[i for i in range(14) if i % 6 != 5]]
    assert float(task.mean) == pytest.approx(kept.mean(), rel=1e-5)
    assert float(task.deviation) == pytest.approx(kept.std(), rel=1e-5)


def test_the_best_epoch_has_the_largest_r_squared_and_the_error_is_logged(train: Callable[..., Path]) -> None:
    run = train(epochs=6, lr=0.05)
    lines = [line for line in read_metrics(run / "metrics.jsonl") if "validation" in line]
    facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert facts["val_r2"] == max(line["val_r2"] for line in lines)
    assert all(line["val_mae"] > 0 for line in lines)


@pytest.mark.parametrize("target", ["rate", "age"])
def test_the_page_of_a_run_shows_the_recordings_that_are_furthest_off(
    train: Callable[..., Path], tmp_path: Path, target: str
) -> None:
    pytest.importorskip("matplotlib")
    run = train(target=target)
    found = evaluate(run, html=tmp_path / "page.html", repeats=20, examples=2)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    table = pd.read_csv(run / "predictions-test.csv").set_index("record_id")
    worst = (table[target] - table[f"true_{target}"]).abs().sort_values(ascending=False).index[:2].tolist()
    assert re.findall(r"<b>Record (r\d+)\.", page) == worst
    assert f"Bland-Altman plot of {target}: bias {found.bias.value:.3g}," in page
    assert f"{target}, a number" in page
    labelled = {"rate": "36 train, 12 val, 12 test", "age": "42 train, 15 val, 15 test"}[target]
    assert labelled in page


def test_a_run_of_numbers_is_not_tested_on_what_it_learned_from(
    train: Callable[..., Path], numeric: Store, levels: Path, tmp_path: Path
) -> None:
    run = train()
    labels = pd.read_csv(tmp_path / "numbers.csv")
    labels["split"] = "test"
    labels.to_csv(tmp_path / "all.csv", index=False)
    words = {"fs": 50.0, "seconds": 2.0, "leads": ("I", "II"), "reader": "numpy", "pipeline": []}
    other = prepare(levels, tmp_path / "other", labels=tmp_path / "all.csv", **words)
    with pytest.raises(LeakError, match="learned from patient"):
        evaluate(run, data=other)


def test_an_age_in_the_table_is_a_target_too(train: Callable[..., Path]) -> None:
    task = load(train(target="age")).module
    assert task.classes == ("age",)
    assert float(task.mean) == pytest.approx((50 + 20 * _levels()[:14]).mean(), rel=1e-5)


def test_an_explanation_tells_the_amount_and_no_probability(train: Callable[..., Path], numeric: Store) -> None:
    run = train(backbone="toy")
    explanation = explain(run, numeric.record(0))
    expected = float(load(run).module.predict(numeric.batch([0]).to("cpu"))[0, 0])
    assert explanation.number
    assert explanation.answer == f"{expected:.4g}"


def test_a_fraction_of_numbers_spans_their_range(train: Callable[..., Path]) -> None:
    facts = json.loads((train(fraction=0.4) / "run.json").read_text(encoding="utf-8"))
    assert facts["patients"] == 5


def test_a_loss_by_name_is_minimised_in_standard_deviations(numeric: Store) -> None:
    words = {"model": "regressor", "problem": "regression", "seed": 0}
    task = build_task(numeric, None, "toy", "toy_head", ("rate",), loss="mse_loss", **words)
    task.learn_scale(torch.tensor([[60.0], [80.0]]))
    assert float(task.criterion(torch.tensor([[0.0], [2.0]]), torch.tensor([[80.0], [70.0]]))) == pytest.approx((1 + 4) / 2)
    smooth = build_task(numeric, None, "toy", "toy_head", ("rate",), **words)
    smooth.learn_scale(torch.tensor([[60.0], [80.0]]))
    found = float(smooth.criterion(torch.tensor([[0.5], [3.0]]), torch.tensor([[80.0], [70.0]])))
    assert found == pytest.approx((0.5 * 0.5**2 + (3.0 - 0.5)) / 2)
    torch.testing.assert_close(smooth.probabilities(torch.tensor([[0.0], [1.0]])), torch.tensor([[70.0], [80.0]]))


def test_equal_numbers_have_a_scale_of_one() -> None:
    task = RegressionTask(nn.Identity, _Numbers(1), classes=("age",))
    task.learn_scale(torch.full((4, 1), 50.0))
    assert (float(task.mean), float(task.deviation)) == (50.0, 1.0)


class _Numbers(Head):
    def __init__(self, classes: int, *, own: bool = False) -> None:
        super().__init__()
        self.classes, self.own = classes, own

    def objective(self) -> nn.Module | None:
        return nn.Identity() if self.own else None

    def forward(self, x: Any) -> Any:
        return x


def test_a_head_with_an_objective_about_classes_is_refused() -> None:
    with pytest.raises(ConfigError, match="_Numbers brings what it minimises, which is about classes; choose another head"):
        RegressionTask(nn.Identity, _Numbers(1, own=True), classes=("age",))


def test_a_loss_that_gives_no_scalar_is_refused() -> None:
    task = RegressionTask(nn.Identity, _Numbers(1), classes=("age",), loss_function=nn.MSELoss(reduction="none"))
    with pytest.raises(ConfigError, match=r"the loss MSELoss gives shape \(2, 1\) instead of a scalar"):
        task.criterion(torch.zeros(2, 1), torch.zeros(2, 1))


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"target": "word"}, DataError, "needs one number for each recording, and target 'word' of 'r00' is '(slow|fast)'"),
        ({"target": "heights"}, DataError, "has no target 'heights'; its targets: rate, word, age"),
        ({"model": "classifier"}, ConfigError, "needs a model that answers with numbers, and ClassificationTask does not"),
    ],
)
def test_numbers_that_cannot_be_learned_are_refused(
    train: Callable[..., Path], tmp_path: Path, words: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train(**words)
    assert not (tmp_path / "run").exists()


def test_several_numbers_for_a_recording_an_infinite_one_and_one_number_for_all_are_refused(
    train: Callable[..., Path], numeric: Store
) -> None:
    for value, message in (
        (("70", "80"), "needs one number for each recording, and target 'rate' of 'r00' is '70;80'"),
        (("inf",), r"target 'rate' is infinite in 72 window\(s\); correct or empty those labels"),
        (("70",), "target 'rate' is 70 in every training window; at least two numbers are needed"),
        ((), "the training split of .* has no window with a label for 'rate'"),
        (("nan",), "the training split of .* has no window with a label for 'rate'"),
    ):
        numeric.table["rate"] = pd.Series([value] * len(numeric), dtype=object)
        with pytest.raises(DataError, match=message):
            train()
