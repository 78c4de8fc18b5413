"""Curves of a run in event files, read back with TensorBoard's own reader."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from ecg_core.cli.main import main
from ecg_core.contracts.losses import Losses
from ecg_core.discovery.manager import plugin_manager
from ecg_core.errors import ConfigError, MissingExtraError, PluginWarning
from ecg_core.run import tensorboard_events
from ecg_core.run.log import log_of_shell
from ecg_core.run.order import Batches
from ecg_core.run.progress import read_metrics
from ecg_core.run.run import Run
from ecg_core.run.settings import Settings

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def curves(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Every curve: its steps and values."""
    read = event_accumulator.EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    return {tag: [(e.step, e.value) for e in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def written(run: Path, word: str, *, validation: bool) -> list[tuple[int, float]]:
    """The same of ``metrics.jsonl``."""
    lines = [line for line in read_metrics(run / "metrics.jsonl") if bool(line.get("validation")) is validation]
    return [(line["step"], pytest.approx(line[word], rel=1e-6)) for line in lines]


def test_every_number_of_a_run_is_a_curve_with_the_values_of_its_metrics_file(finetuned):
    run = finetuned(log="tensorboard")
    found = curves(run)
    for word in ("loss", "lr"):
        assert found[f"train/{word}"] == written(run, word, validation=False)
    assert found["validation/val_auroc"] == written(run, "val_auroc", validation=True)
    assert not {tag for tag in found if tag.split("/")[1] in ("step", "epoch", "validation")}


def test_a_run_that_does_not_ask_writes_no_events_even_after_one_that_did(finetuned):
    finetuned("first", log="tensorboard")
    assert not (finetuned("second") / "tensorboard").exists()


def test_what_is_learned_does_not_depend_on_being_watched(finetuned):
    weights = [(finetuned(name, log=log) / "model.safetensors").read_bytes() for name, log in (("a", None), ("b", "tensorboard"))]
    assert weights[0] == weights[1]


class Learner(torch.nn.Module):
    """A line through noise that fails once ``left`` steps are done."""

    def __init__(self, left: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.w, self.left = torch.nn.Parameter(torch.randn(3, 1)), left

    def loss(self, batch: torch.Tensor) -> Losses:
        self.left -= 1
        if self.left < 0:
            raise OSError("power cut")
        return Losses((batch @ self.w).square().mean())

    def after_step(self) -> None:
        pass


def _run(folder: Path, left: int = 1000, *, log: str | None = "tensorboard") -> Run:
    folder.mkdir(exist_ok=True)
    data = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    batches = Batches(range(8), 2, lambda chosen, epoch: data[torch.from_numpy(chosen)])
    settings = Settings(epochs=3, batch_size=2, lr=0.1, warmup=0.0, device="cpu")
    return Run(folder, Learner(left), batches, settings, validate=lambda: {"val_loss": 0.5, "rankme": float("nan")}, log=log)


def test_a_resumed_run_goes_on_with_its_curves_and_no_step_stands_twice(tmp_path):
    with pytest.raises(OSError, match="power cut"):
        _run(tmp_path / "cut", left=6).fit()  # two steps after the checkpoint of the first epoch
    assert [step for step, _ in curves(tmp_path / "cut")["train/loss"]] == [1, 2, 3, 4, 5, 6]
    _run(tmp_path / "cut").fit(resume=True)
    _run(tmp_path / "whole").fit()
    cut, whole = curves(tmp_path / "cut"), curves(tmp_path / "whole")
    assert [step for step, _ in cut["train/loss"]] == list(range(1, 13))
    assert cut["train/loss"] == whole["train/loss"]
    assert cut["validation/val_loss"] == whole["validation/val_loss"] == [(4, 0.5), (8, 0.5), (12, 0.5)]


def test_a_number_that_is_none_makes_no_curve(tmp_path):
    _run(tmp_path / "run").fit()
    assert "validation/rankme" not in curves(tmp_path / "run")


def test_a_run_that_begins_anew_begins_its_curves_anew(finetuned):
    finetuned(log="tensorboard", epochs=2)
    run = finetuned(log="tensorboard", epochs=1, force=True)
    assert curves(run)["train/loss"] == written(run, "loss", validation=False)


def test_a_disk_that_takes_no_events_costs_the_run_nothing(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "tensorboard").write_text("in the way")
    before = dict(plugin_manager().failures)
    try:
        with pytest.warns(PluginWarning, match="ecg_run_event of ecg_core.run.tensorboard_events failed"):
            end = _run(tmp_path / "run").fit()
        assert end["step"] == 12
    finally:
        plugin_manager()._failures.clear()
        plugin_manager()._failures.update(before)


def test_without_tensorboard_the_install_line_is_given_before_anything_is_written(finetuned, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ecg-core\[tensorboard\]'"):
        finetuned("run", log="tensorboard")
    assert not (tmp_path / "run").exists()


def test_another_log_is_refused_by_name(finetuned):
    with pytest.raises(ConfigError, match="log must be one of tensorboard, got 'paper'"):
        finetuned(log="paper")


@pytest.mark.parametrize("asked", ["option", "variable"])
def test_a_command_asks_for_curves_by_option_or_for_all_runs_by_a_variable(store, tmp_path, monkeypatch, capsys, asked):
    words = [
        "finetune",
        str(store.path),
        "--target",
        "dx",
        "--backbone",
        "toy",
        "--head",
        "toy_head",
        "--out",
        str(tmp_path / "r"),
    ]
    words += ["--epochs", "1", "--device", "cpu"]
    if asked == "option":
        words += ["--log", "tensorboard"]
    else:
        monkeypatch.setenv("ECG_LOG", "tensorboard")
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 0
    assert f"curves: tensorboard --logdir {tmp_path / 'r'}" in capsys.readouterr().out.replace("\n", "")
    assert curves(tmp_path / "r")["train/loss"]


def test_an_empty_variable_asks_for_nothing_and_a_wrong_one_is_told(monkeypatch):
    monkeypatch.setenv("ECG_LOG", "")
    assert log_of_shell() is None
    monkeypatch.setenv("ECG_LOG", "paper")
    with pytest.raises(ConfigError, match="log must be one of tensorboard, got 'paper'"):
        log_of_shell()


def test_writers_are_let_go_of_when_a_run_ends(tmp_path):
    _run(tmp_path / "run").fit()
    assert len(tensorboard_events._writers) == 0
