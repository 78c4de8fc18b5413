"""Fine-tuning by adapters, by stages and from few labels: what the run directory holds, and a kill that loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone, Stage
from ecg_core.data.store import Store
from ecg_core.discovery.registries import BACKBONES
from ecg_core.errors import ConfigError, DataError, RunError
from ecg_core.run.load import load
from ecg_core.run.scoring.evaluate import evaluate
from ecg_core.run.training.finetune import finetune


class Stacked(Backbone):
    """A stem and two blocks, with batch normalisation and dropout."""

    def __init__(self, *, in_leads: int = 2, width: int = 4) -> None:
        super().__init__()
        self.in_leads, self.stages = in_leads, (Stage(width, 10),)
        self.stem = nn.Conv1d(in_leads, width, 10, stride=10)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv1d(width, width, 3, padding=1), nn.BatchNorm1d(width), nn.Dropout(0.1)) for _ in range(2)
        )

    def forward_intermediates(self, x: Tensor) -> list[Tensor]:
        self.check_input(x)
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x).relu()
        return [x]


MODES: dict[str, dict[str, Any]] = {
    "lora": {"mode": "lora", "rank": 2},
    "partial": {"mode": "partial", "stages": 1},
    "gradual": {"mode": "full", "unfreeze": "gradual"},
    "norm": {"mode": "full", "norm": "frozen"},
}


@pytest.fixture(autouse=True)
def stacked() -> Iterator[None]:
    with BACKBONES.isolated():
        BACKBONES.add(Stacked, "stacked")
        yield


@pytest.fixture
def train(store: Store, tmp_path: Path) -> Callable[..., Path]:
    def run(name: str = "run", **words: Any) -> Path:
        settings = {"target": "dx", "head": "toy_head", "epochs": 3, "batch_size": 16, "device": "cpu", **words}
        if "source" not in words:
            settings.setdefault("backbone", "stacked")
        return finetune(settings.pop("data", store), tmp_path / name, **settings).path

    return run


def _facts(run: Path) -> dict[str, Any]:
    return json.loads((run / "run.json").read_text(encoding="utf-8"))


def _tensors(run: Path) -> dict[str, Tensor]:
    return load(run).module.state_dict()


@pytest.mark.parametrize("mode", MODES)
def test_an_easy_question_is_answered_in_every_mode(train: Callable[..., Path], mode: str) -> None:
    run = train(epochs=25, lr=0.02, **MODES[mode])
    found = {result.name: result.auroc.value for result in evaluate(run, repeats=10).per_class}
    assert found["UP"] == found["DOWN"] == 1.0


def test_the_saved_model_has_no_adapter_and_scores_as_the_adapted_one_did(train: Callable[..., Path]) -> None:
    """Names and shapes are those of a model without adapters; the score is the one that was noted when it was saved."""
    run, plain = train(epochs=4, lr=0.02, **MODES["lora"]), train("plain", epochs=1)
    assert {n: t.shape for n, t in _tensors(run).items()} == {n: t.shape for n, t in _tensors(plain).items()}
    evaluation = evaluate(run, split="val", repeats=10)
    assert evaluation.macro_auroc.value == pytest.approx(_facts(run)["val_auroc"], abs=0.2)  # of recordings, not of windows
    assert load(run).card.facts["weights"]["parameters"] == sum(p.numel() for p in load(plain).module.parameters())


def test_adapters_start_from_the_source_and_leave_vectors_and_statistics(train: Callable[..., Path]) -> None:
    first = train("first", epochs=2)
    second = train("second", source=first, **MODES["lora"])
    before, after = _tensors(first), _tensors(second)
    moved = {name for name in before if name.startswith("backbone.") and not torch.equal(before[name], after[name])}
    assert moved == {"backbone.stem.weight", "backbone.blocks.0.0.weight", "backbone.blocks.1.0.weight"}


def test_the_run_says_how_much_of_the_model_learned(train: Callable[..., Path]) -> None:
    facts = _facts(train(**MODES["lora"]))
    # Rank 2 on matrices of 4 × 20, 4 × 12 and 4 × 12, and a head of 3 × 4 + 3.
    assert facts["trained_parameters"] == 2 * (24 + 16 + 16) + 15
    assert (facts["mode"], facts["adaptation"], facts["without_adapter"]) == ("lora", {"rank": 2}, [])
    head = _facts(train("linear", mode="linear"))
    assert head["trained_parameters"] == 15
    assert _facts(train("partial", **MODES["partial"]))["trained_parameters"] == 15 + 4 * 12 + 4 + 8


@pytest.mark.parametrize("mode", MODES)
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    class Killed(BaseException):
        """Stands for a kill."""

    words = {**MODES[mode], "epochs": 5}
    alone = train("alone", **words)
    original = Store.batch

    def batch(self: Store, indices: Any, **more: Any) -> Any:
        if more.get("epoch") == 3:
            raise Killed
        return original(self, indices, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "batch", batch)
        with pytest.raises(Killed):
            train("killed", **words)
    train("killed", resume=True, **words)
    one, other = _tensors(alone), _tensors(alone.with_name("killed"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    lines = [(run / "metrics.jsonl").read_text().splitlines() for run in (alone, alone.with_name("killed"))]
    losses = [[json.loads(line).get("loss") for line in each] for each in lines]
    assert losses[0] == losses[1]


def test_a_run_is_not_resumed_with_another_adaptation(train: Callable[..., Path]) -> None:
    train(**MODES["lora"])
    with pytest.raises(RunError, match=r"was started with another adaptation \(rank 2, now 3\)"):
        train(resume=True, mode="lora", rank=3)
    with pytest.raises(RunError, match="was started with another mode"):
        train(resume=True, mode="full", lr=1e-2)


def test_layers_have_rates_of_their_own_under_adapters_too(train: Callable[..., Path]) -> None:
    one, other = (_tensors(train(f"r{n}", layer_decay=n, **MODES["lora"])) for n in (1.0, 0.1))
    assert not torch.equal(one["backbone.stem.weight"], other["backbone.stem.weight"])


# ---------------------------------------------------------------- few labels


def test_a_fraction_draws_patients_and_leaves_validation_alone(train: Callable[..., Path], store: Store) -> None:
    facts = _facts(train(fraction=0.25, mode="linear"))
    assert (facts["patients"], facts["windows"]) == (4, 12)  # of 16 patients, with three windows each
    assert facts["few_labels"] == {"fraction": 0.25}
    assert all(count > 0 for count in facts["examples"].values())
    everyone = _facts(train("all", mode="linear"))
    assert (everyone["patients"], everyone["windows"], everyone["few_labels"]) == (16, 48, {})


def test_shots_are_windows_of_each_class(train: Callable[..., Path]) -> None:
    facts = _facts(train(shots=2, mode="linear"))
    assert all(count >= 2 for count in facts["examples"].values())
    assert facts["windows"] <= 6


def test_a_class_that_nobody_drawn_has_is_counted_as_none(train: Callable[..., Path]) -> None:
    """One patient of 16 is UP or DOWN, not both; the classes of the whole split stay the answers."""
    run = train(fraction=0.01, mode="linear")
    facts = _facts(run)
    assert facts["patients"] == 1
    assert 0 in facts["examples"].values()
    assert load(run).card.classes == ("DOWN", "UP", "WIDE")


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"fraction": 0.0}, ConfigError, r"fraction must lie in \(0, 1\]"),
        ({"fraction": 1.5}, ConfigError, r"fraction must lie in \(0, 1\]"),
        ({"shots": 0}, ConfigError, "shots must be at least 1 example"),
        ({"shots": 2, "fraction": 0.5}, ConfigError, "fraction and shots are two ways to have few labels; give one"),
        ({"mode": "lora", "rank": 0}, ConfigError, "rank must be at least 1, got 0"),
        ({"mode": "partial"}, ConfigError, "needs to know how many of the backbone's last stages learn"),
        ({"mode": "partial", "stages": 4}, ConfigError, r"stages=4, and Stacked has 3: stem, blocks\.0, blocks\.1"),
        ({"model": "regressor"}, ConfigError, "RegressionTask answers with numbers, not with classes; use problem=regression"),
        ({"problem": "regression", "model": "classifier"}, DataError, "problem=regression needs one number for each recording"),
    ],
)
def test_a_training_that_cannot_be_writes_nothing(
    train: Callable[..., Path], tmp_path: Path, words: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train(**words)
    assert not (tmp_path / "run").exists()


def test_a_class_that_only_validation_has_is_told(train: Callable[..., Path], store: Store) -> None:
    store.table["dx"] = pd.Series(
        [(*row, "RARE") if split == "val" else row for row, split in zip(store.table["dx"], store.table["split"], strict=True)],
        dtype=object,
    )
    with pytest.warns(UserWarning, match="no training window has the class RARE of target 'dx', so the model cannot answer it"):
        run = train(mode="linear")
    assert load(run).card.classes == ("DOWN", "UP", "WIDE")


def test_a_store_without_a_labelled_training_window_is_told(train: Callable[..., Path], store: Store) -> None:
    store.table.loc[store.table["split"] == "train", "split"] = "test"
    with pytest.raises(DataError, match="the training split of .* has no window with a label for 'dx'; look at the labels"):
        train()


@pytest.mark.parametrize("words", [{"fraction": 0.5}, {"shots": 3}, {}])
def test_a_run_is_not_resumed_with_other_labels(train: Callable[..., Path], words: dict) -> None:
    train(mode="linear", fraction=0.25)
    with pytest.raises(RunError, match=r"was started with another few_labels \(fraction 0\.25, now"):
        train(mode="linear", resume=True, **words)
