"""What plugins hear of a run, in order, and that hearing it changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ecg_core.contracts.losses import Losses
from ecg_core.discovery.hooks import RunEvent
from ecg_core.errors import RunError
from ecg_core.run import run as module
from ecg_core.run.order import Batches
from ecg_core.run.run import Run
from ecg_core.run.settings import Settings


class Learner(nn.Module):
    """A line through noise; the loss is not a number once ``bad`` steps are done."""

    def __init__(self, bad: int = 1000) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.w, self.left = nn.Parameter(torch.randn(3, 1)), bad

    def loss(self, batch: torch.Tensor) -> Losses:
        self.left -= 1
        return Losses((batch @ self.w).square().mean() + (0.0 if self.left >= 0 else float("nan")))

    def after_step(self) -> None:
        pass


class Watcher:
    """Stands where the plugin manager stands."""

    def __init__(self, listening: bool = True) -> None:
        self.listening, self.heard = listening, []

    def listens(self, name: str) -> bool:
        return self.listening and name == "ecg_run_event"

    def run_event(self, run: Run, event: RunEvent) -> None:
        self.heard.append(event)


def _train(folder: Path, watcher: Watcher | None, monkeypatch: pytest.MonkeyPatch, **words) -> Run:
    monkeypatch.setattr(module, "installed_hooks", lambda: watcher)
    folder.mkdir()
    data = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    batches = Batches(range(4), 2, lambda chosen, epoch: data[torch.from_numpy(chosen)])
    settings = Settings(epochs=2, batch_size=2, lr=0.1, warmup=0.0, device="cpu")
    run = Run(folder, Learner(**words), batches, settings, validate=lambda: {"val_loss": 0.5})
    run.fit()
    return run


def test_a_watcher_hears_everything_once_and_in_order(tmp_path, monkeypatch) -> None:
    watcher = Watcher()
    _train(tmp_path / "run", watcher, monkeypatch)
    epoch = ["step", "step", "epoch", "checkpoint"]
    assert [e.name for e in watcher.heard] == ["start", *epoch, *epoch, "end"]
    assert [(e.step, e.epoch) for e in watcher.heard] == [
        (0, 0), (1, 0), (2, 0), (2, 1), (2, 1), (3, 1), (4, 1), (4, 2), (4, 2), (4, 2),
    ]  # fmt: skip
    assert watcher.heard[3].numbers["val_loss"] == 0.5
    assert {"loss", "lr", "windows_per_second"} <= set(watcher.heard[1].numbers)
    with pytest.raises(TypeError):
        watcher.heard[1].numbers["loss"] = 0.0


def test_a_run_that_fails_says_why_and_still_fails(tmp_path, monkeypatch) -> None:
    watcher = Watcher()
    with pytest.raises(RunError, match="the loss became nan at step 2"):
        _train(tmp_path / "run", watcher, monkeypatch, bad=1)
    assert [e.name for e in watcher.heard] == ["start", "step", "failure"]
    assert watcher.heard[-1].message.startswith("the loss became nan at step 2")


def test_watching_changes_no_weight_and_who_does_not_listen_is_not_called(tmp_path, monkeypatch) -> None:
    deaf = Watcher(listening=False)
    runs = [_train(tmp_path / str(i), w, monkeypatch) for i, w in enumerate((None, Watcher(), deaf))]
    assert all(torch.equal(r.learner.w, runs[0].learner.w) for r in runs)
    assert deaf.heard == []
