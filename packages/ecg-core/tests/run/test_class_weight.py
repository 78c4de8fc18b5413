"""Class weights against closed forms, through the objective and through a run, and what they refuse."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecg_core.data.store import Store
from ecg_core.errors import ConfigError, RunError
from ecg_core.run.progress import read_metrics
from ecg_core.run.training.finetune import finetune
from ecg_core.tasks.class_weight import exclusive_weights, positive_weights
from ecg_core.tasks.objective import Objective

COUNTS = np.array([900, 90, 10])


@pytest.mark.parametrize(("kind", "ratio"), [("balanced", 90.0), ("sqrt", math.sqrt(90.0))])
def test_weights_follow_the_counts_and_leave_the_loss_its_size(kind: Any, ratio: float) -> None:
    weights = exclusive_weights(kind, COUNTS)
    assert weights[2] / weights[0] == pytest.approx(ratio)
    assert (weights * COUNTS).sum() == pytest.approx(COUNTS.sum())


def test_balanced_classes_contribute_the_same() -> None:
    share = exclusive_weights("balanced", COUNTS) * COUNTS
    assert share == pytest.approx(np.full(3, COUNTS.sum() / 3))


def test_a_class_without_an_example_weighs_as_if_it_had_one() -> None:
    assert np.isfinite(exclusive_weights("balanced", np.array([5, 0]))).all()
    assert positive_weights("balanced", np.array([0, 100]), 100) == pytest.approx([99.0, 0.01])


@pytest.mark.parametrize("shape", [(), (7,)])
def test_samples_and_windows_are_weighed_by_their_class(shape: tuple[int, ...]) -> None:
    """With equal logits the cross-entropy is log 3 times the mean weight of what is there."""
    objective = Objective("multi_class")
    objective.weigh("sqrt", COUNTS, of=1000)
    truth = torch.randint(0, 3, (16, *shape), generator=torch.Generator().manual_seed(0))
    expected = math.log(3) * exclusive_weights("sqrt", COUNTS)[truth.numpy()].mean()
    logits = torch.zeros(16, 3, *shape)
    assert float(objective(logits, truth)) == pytest.approx(expected, rel=1e-5)
    hot = torch.nn.functional.one_hot(truth, 3).movedim(-1, 1).float()
    assert float(objective(logits, hot)) == pytest.approx(expected, rel=1e-5)


def test_samples_without_a_label_weigh_nothing() -> None:
    objective = Objective("multi_class")
    objective.weigh("balanced", COUNTS, of=1000)
    truth = torch.tensor([[0, 1, -1, 2, -1]])
    logits = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(0))
    known = truth[0] >= 0
    assert float(objective(logits, truth)) == pytest.approx(float(objective(logits[..., known], truth[:, known])), rel=1e-6)


@pytest.mark.parametrize("shape", [(), (5,)])
def test_a_positive_counts_as_many_negatives_as_there_are_for_it(shape: tuple[int, ...]) -> None:
    objective = Objective("multi_label")
    objective.weigh("balanced", np.array([250, 500, 1000]), of=1000)
    targets = torch.zeros(4, 3, *shape)
    targets[0] = 1.0
    zero = float(objective(torch.zeros(4, 3, *shape), targets))
    # A quarter is positive; positives weigh 3, 1 and (as if one were negative) 1/1000.
    expected = math.log(2) * np.mean([(w + 3) / 4 for w in (3.0, 1.0, 0.001)])
    assert zero == pytest.approx(expected, rel=1e-5)


def test_weights_are_of_the_training_alone_and_not_saved() -> None:
    objective = Objective("multi_label")
    objective.weigh("sqrt", COUNTS, of=1000)
    assert not objective.state_dict()


@pytest.mark.parametrize("mode", ["linear", "full"])
def test_a_run_learns_with_weights_says_so_and_resumes_only_with_them(store: Store, tmp_path: Path, mode: Any) -> None:
    words: dict[str, Any] = {"target": "dx", "backbone": "toy", "head": "toy_head", "mode": mode, "epochs": 2, "device": "cpu"}
    weighed = finetune(store, tmp_path / "weighed", class_weight="balanced", **words)
    plain = finetune(store, tmp_path / "plain", **words)
    assert json.loads((weighed.path / "run.json").read_text())["class_weight"] == "balanced"
    losses = [[line.get("loss") for line in read_metrics(run.path / "metrics.jsonl")] for run in (weighed, plain)]
    assert losses[0] != losses[1]
    with pytest.raises(RunError, match="class_weight"):
        finetune(store, tmp_path / "weighed", resume=True, **words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"class_weight": "inverse"}, "class_weight must be balanced or sqrt, or left out, got 'inverse'"),
        ({"class_weight": "sqrt", "loss": "mse_loss"}, "weighs the cross-entropy, and MSELoss is minimised instead"),
    ],
)
def test_what_cannot_be_weighed_is_said(store: Store, tmp_path: Path, words: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        finetune(store, tmp_path / "run", target="dx", backbone="toy", head="toy_head", device="cpu", **words)
    assert not (tmp_path / "run").exists()
