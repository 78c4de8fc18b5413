"""The loop, with learners small enough to know the answer."""

from __future__ import annotations

import json
import math
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ecg_core.contracts.losses import Losses
from ecg_core.errors import RunError
from ecg_core.run.order import Batches
from ecg_core.run.progress import read_metrics
from ecg_core.run.run import Interrupted, Run, _interruptible
from ecg_core.run.settings import Settings


class Quadratic(nn.Module):
    """``(w - 3)²``, whatever the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1, 1))
        self.steps_taken = 0

    def loss(self, batch) -> Losses:
        return Losses((self.w - 3).square().sum(), {"distance": (self.w - 3).abs().sum().detach()})

    def after_step(self) -> None:
        self.steps_taken += 1


class Noisy(nn.Module):
    """A regression with dropout and batch normalisation, so that the random state and buffers count."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 1))

    def loss(self, batch: torch.Tensor) -> Losses:
        return Losses((self.net(batch) - batch.sum(dim=1, keepdim=True)).square().mean())

    def after_step(self) -> None:
        pass


WORDS = {"epochs": 3, "batch_size": 4, "lr": 0.1, "weight_decay": 0.0, "warmup": 0.0, "device": "cpu"}


def _batches(on_load: Callable[[int, np.ndarray], None] | None = None, count: int = 16) -> Batches:
    data = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))

    def load(chosen: np.ndarray, epoch: int) -> torch.Tensor:
        if on_load is not None:
            on_load(epoch, chosen)
        return data[torch.from_numpy(chosen)]

    return Batches(range(count), 4, load)


def _run(folder: Path, learner: nn.Module, batches: Batches | None = None, **words) -> Run:
    folder.mkdir(exist_ok=True)
    hooks = {name: words.pop(name) for name in ("validate", "monitor", "on_best") if name in words}
    return Run(folder, learner, batches or _batches(), Settings(**{**WORDS, **words}), **hooks)


def _state(run: Run) -> dict[str, torch.Tensor]:
    moments = run.optimizer.state_dict()["state"]
    return run.learner.state_dict() | {f"{i}.{name}": v for i, values in moments.items() for name, v in values.items()}


def _same(one: Run, other: Run) -> bool:
    a, b = _state(one), _state(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# ---------------------------------------------------------------- learning


def test_a_quadratic_is_minimised(tmp_path: Path) -> None:
    learner = Quadratic()
    end = _run(tmp_path, learner, epochs=60, lr=0.3).fit()
    assert float(learner.w.detach()) == pytest.approx(3.0, abs=1e-2)
    assert end == {"step": 240, "epoch": 60, "best": None, "best_epoch": 60}
    assert learner.steps_taken == 240


def test_one_step_of_plain_gradient_descent_is_the_formula(tmp_path: Path) -> None:
    """w - lr · 2 (w - 3) = 0.6 after a step, and 0.6 + 0.1 · 4.8 = 1.08 after two."""
    learner = Quadratic()
    _run(tmp_path, learner, _batches(count=8), epochs=1, optimizer="sgd", scheduler="constant").fit()
    assert float(learner.w.detach()) == pytest.approx(1.08)


def test_clipping_limits_the_length_of_a_step(tmp_path: Path) -> None:
    """The gradient is -6, so a norm of 0.5 moves w by lr · 0.5 = 0.05."""
    learner = Quadratic()
    _run(tmp_path, learner, _batches(count=4), epochs=1, optimizer="sgd", scheduler="constant", clip=0.5).fit()
    assert float(learner.w.detach()) == pytest.approx(0.05, rel=1e-4)


def test_every_step_is_logged_with_its_rate_and_throughput(tmp_path: Path) -> None:
    _run(tmp_path, Quadratic(), warmup=0.5).fit()
    lines = [line for line in read_metrics(tmp_path / "metrics.jsonl") if "validation" not in line]
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert lines[0]["loss"] == 9.0
    assert lines[0]["distance"] == 3.0
    assert [line["lr"] for line in lines[:7]] == pytest.approx([0.1 * (k + 1) / 7 for k in range(7)])
    assert all(line["windows_per_second"] > 0 for line in lines)


def test_adam_takes_its_betas_and_plain_descent_takes_none(tmp_path: Path) -> None:
    assert _run(tmp_path, Quadratic(), optimizer="AdamW", betas=(0.5, 0.6)).optimizer.defaults["betas"] == (0.5, 0.6)
    assert "betas" not in _run(tmp_path, Quadratic(), optimizer="sgd").optimizer.defaults


def test_only_matrices_decay(tmp_path: Path) -> None:
    run = _run(tmp_path, Noisy(), weight_decay=0.3)
    decay, rest = run.optimizer.param_groups
    assert (decay["weight_decay"], rest["weight_decay"]) == (0.3, 0.0)
    assert [p.ndim for p in decay["params"]] == [2, 2]
    assert [p.ndim for p in rest["params"]] == [1, 1, 1, 1]


def test_everything_decays_where_the_recipe_says_so(tmp_path: Path) -> None:
    (group,) = _run(tmp_path, Noisy(), weight_decay=0.3, decay_all=True).optimizer.param_groups
    assert len(group["params"]) == 6


def test_frozen_parameters_stay_and_a_learner_of_biases_alone_learns(tmp_path: Path) -> None:
    learner = Noisy()
    for p in learner.parameters():
        p.requires_grad_(p.ndim == 1)
    before = {name: p.detach().clone() for name, p in learner.named_parameters()}
    _run(tmp_path, learner, epochs=1).fit()
    assert all(torch.equal(p, before[name]) != p.requires_grad for name, p in learner.named_parameters())


def test_nothing_to_train_is_an_error_in_words(tmp_path: Path) -> None:
    learner = Quadratic().requires_grad_(False)
    with pytest.raises(RunError, match="nothing to train: every parameter is frozen"):
        _run(tmp_path, learner)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_run_before_it_spoils_the_weights(tmp_path: Path, value: float) -> None:
    class Breaks(Quadratic):
        def loss(self, batch) -> Losses:
            return Losses(super().loss(batch).total * (value if self.steps_taken == 5 else 1.0))

    learner = Breaks()
    with pytest.raises(RunError, match=rf"the loss became {value} at step 6; lower the learning rate \(lr=0.1\)"):
        _run(tmp_path, learner).fit()
    assert torch.isfinite(learner.w).all()
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 6  # five steps and a line after the first epoch


def test_bf16_computes_in_half_precision_and_keeps_weights_in_full(tmp_path: Path) -> None:
    seen = []

    class Watching(Noisy):
        def loss(self, batch) -> Losses:
            out = self.net(batch)
            seen.append(out.dtype)
            return Losses(out.float().square().mean())

    learner = Watching()
    _run(tmp_path, learner, epochs=1, precision="bf16").fit()
    assert set(seen) == {torch.bfloat16}
    assert {p.dtype for p in learner.parameters()} == {torch.float32}


# ---------------------------------------------------------------- validation


def test_the_epoch_with_the_highest_monitored_number_is_kept(tmp_path: Path) -> None:
    numbers, kept = iter([0.5, 0.8, math.nan, 0.8, 0.7, 0.9]), []
    run = _run(tmp_path, Quadratic(), epochs=6, validate=lambda: {"score": next(numbers)}, monitor="score")
    run.on_best = lambda: kept.append(run.state["epoch"])
    end = run.fit()
    assert kept == [1, 2, 6]  # an equal number is no better, and NaN never is
    assert (end["best"], end["best_epoch"]) == (0.9, 6)
    lines = [line["score"] for line in read_metrics(tmp_path / "metrics.jsonl") if "validation" in line]
    assert lines == [0.5, 0.8, None, 0.8, 0.7, 0.9]


def test_a_number_that_never_exists_keeps_no_epoch(tmp_path: Path) -> None:
    kept = []
    words = {"validate": lambda: {"score": math.nan}, "monitor": "score", "on_best": lambda: kept.append(1)}
    end = _run(tmp_path, Quadratic(), **words).fit()
    assert kept == []
    assert (end["best"], end["best_epoch"]) == (None, None)


def test_without_a_number_the_last_epoch_is_kept(tmp_path: Path) -> None:
    kept = []
    end = _run(tmp_path, Quadratic(), on_best=lambda: kept.append(1)).fit()
    assert (len(kept), end["best_epoch"]) == (3, 3)


def test_validation_is_in_evaluation_mode_and_changes_no_training_bit(tmp_path: Path) -> None:
    alone, watched = _run(tmp_path / "a", Noisy()), _run(tmp_path / "b", Noisy())

    def validate() -> dict[str, float]:
        assert not watched.learner.training
        assert not torch.is_grad_enabled()
        torch.rand(100)
        return {"val_loss": float(watched.learner.loss(torch.randn(8, 4)).total)}

    watched.validate = validate
    alone.fit()
    watched.fit()
    assert _same(alone, watched)


# ---------------------------------------------------------------- resuming


class Killed(BaseException):
    """Stands for a kill: nothing is saved after it."""


@pytest.mark.parametrize("every", [0, 1, 2, 3])
@pytest.mark.parametrize("at", [1, 4, 5, 7, 9, 12])
def test_a_killed_run_resumes_to_the_bits_of_one_left_alone(tmp_path: Path, at: int, every: int) -> None:
    """With dropout, batch normalisation and Adam's moments, killed while the batch of step ``at`` is loaded."""
    alone = _run(tmp_path / "alone", Noisy(), checkpoint_every=every)
    alone.fit()
    loads = []

    def kill(epoch: int, chosen: np.ndarray) -> None:
        loads.append(chosen)
        if len(loads) == at:
            raise Killed

    with pytest.raises(Killed):
        _run(tmp_path / "r", Noisy(), _batches(kill), checkpoint_every=every).fit()
    torch.rand(17)
    resumed = _run(tmp_path / "r", Noisy(), checkpoint_every=every)
    assert resumed.fit(resume=True) == alone.state
    assert _same(alone, resumed)
    logs = [[(line["step"], line.get("loss")) for line in read_metrics(tmp_path / n / "metrics.jsonl")] for n in ("alone", "r")]
    assert logs[0] == logs[1]


def test_a_run_killed_in_validation_validates_again(tmp_path: Path) -> None:
    alone = _run(tmp_path / "alone", Noisy(), validate=lambda: {"score": 1.0}, checkpoint_every=1)
    alone.fit()

    def killed() -> dict[str, float]:
        raise Killed

    with pytest.raises(Killed):
        _run(tmp_path / "r", Noisy(), validate=killed, checkpoint_every=1).fit()
    resumed = _run(tmp_path / "r", Noisy(), validate=lambda: {"score": 1.0}, checkpoint_every=1)
    resumed.fit(resume=True)
    assert _same(alone, resumed)
    lines = [line["epoch"] for line in read_metrics(tmp_path / "r" / "metrics.jsonl") if "validation" in line]
    assert lines == [1, 2, 3]


def test_the_best_number_is_remembered_across_a_resume(tmp_path: Path) -> None:
    numbers = iter([0.9])

    def first() -> dict[str, float]:
        return {"score": next(numbers, None) or (_ for _ in ()).throw(Killed())}

    with pytest.raises(Killed):
        _run(tmp_path, Quadratic(), validate=first, monitor="score").fit()
    end = _run(tmp_path, Quadratic(), validate=lambda: {"score": 0.5}, monitor="score").fit(resume=True)
    assert (end["best"], end["best_epoch"]) == (0.9, 1)


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    run = _run(tmp_path, Noisy())
    end = run.fit()
    before = (tmp_path / "metrics.jsonl").read_bytes()
    again = _run(tmp_path, Noisy())
    assert again.fit(resume=True) == end
    assert _same(run, again)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_resuming_where_nothing_was_saved_starts_anew(tmp_path: Path) -> None:
    alone = _run(tmp_path / "a", Noisy())
    alone.fit()
    fresh = _run(tmp_path / "b", Noisy())
    fresh.fit(resume=True)
    assert _same(alone, fresh)


def test_checkpoints_come_every_so_many_steps_and_after_every_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []
    run = _run(tmp_path, Quadratic(), checkpoint_every=3)
    monkeypatch.setattr(run, "_save", lambda: saved.append(run.state["step"]))
    run.fit()
    assert saved == [3, 4, 6, 8, 9, 12]  # step 12 is both, and is written once


# ---------------------------------------------------------------- interruption


def _ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("at", [1, 4, 6])
def test_ctrl_c_finishes_the_step_saves_and_resumes_to_the_same_bits(tmp_path: Path, at: int) -> None:
    alone = _run(tmp_path / "alone", Noisy(), validate=lambda: {"score": 1.0})
    alone.fit()
    loads = []

    def press(epoch: int, chosen: np.ndarray) -> None:
        loads.append(chosen)
        if len(loads) == at:
            _ctrl_c()

    stopped = _run(tmp_path / "r", Noisy(), _batches(press), validate=lambda: {"score": 1.0})
    with pytest.raises(Interrupted, match=f"interrupted after step {at}; all of it is saved in .*checkpoints"):
        stopped.fit()
    assert stopped.state["step"] == at
    resumed = _run(tmp_path / "r", Noisy(), validate=lambda: {"score": 1.0})
    assert resumed.fit(resume=True) == alone.state
    assert _same(alone, resumed)
    logs = [[(line["step"], line.get("loss")) for line in read_metrics(tmp_path / n / "metrics.jsonl")] for n in ("alone", "r")]
    assert logs[0] == logs[1]


def test_ctrl_c_during_validation_stops_the_run_after_it(tmp_path: Path) -> None:
    run = _run(tmp_path, Quadratic(), validate=lambda: _ctrl_c() or {"score": 1.0})
    with pytest.raises(Interrupted, match="after step 4"):
        run.fit()
    assert run.state["epoch"] == 1
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert lines[-1] == {"step": 4, "epoch": 1, "validation": True, "score": 1.0}
    assert _run(tmp_path, Quadratic()).fit(resume=True)["epoch"] == 3


def test_ctrl_c_during_the_last_validation_has_nothing_left_to_stop(tmp_path: Path) -> None:
    run = _run(tmp_path, Quadratic(), epochs=1, validate=lambda: _ctrl_c() or {"score": 1.0})
    assert run.fit()["epoch"] == 1


def test_a_second_ctrl_c_acts_at_once(tmp_path: Path) -> None:
    def press(epoch: int, chosen: np.ndarray) -> None:
        _ctrl_c()
        _ctrl_c()

    run = _run(tmp_path, Quadratic(), _batches(press))
    with pytest.raises(KeyboardInterrupt) as caught:
        run.fit()
    assert not isinstance(caught.value, Interrupted)
    assert run.state["step"] == 0


@pytest.mark.parametrize("end", ["well", "interrupted", "broken"])
def test_the_handler_of_ctrl_c_is_put_back(tmp_path: Path, end: str) -> None:
    def mine(number: int, frame: object) -> None:
        pass

    def load(epoch: int, chosen: np.ndarray) -> None:
        if end != "well":
            _ctrl_c() if end == "interrupted" else [][0]

    before = signal.signal(signal.SIGINT, mine)
    try:
        run = _run(tmp_path, Quadratic(), _batches(load))
        try:
            run.fit()
        except (Interrupted, IndexError):
            assert end != "well"
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_that_python_did_not_install_becomes_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to = []
    monkeypatch.setattr("ecg_core.run.run.signal.signal", lambda number, handler: set_to.append(handler))
    with _interruptible():
        pass
    assert set_to[1] is signal.SIG_DFL


def test_a_run_outside_the_main_thread_leaves_signals_alone(tmp_path: Path) -> None:
    before, found = signal.getsignal(signal.SIGINT), []
    run = _run(tmp_path, Quadratic(), validate=lambda: found.append(signal.getsignal(signal.SIGINT)) or {})
    thread = threading.Thread(target=run.fit)
    thread.start()
    thread.join()
    assert found == [before] * 3
    assert run.state["epoch"] == 3


def test_what_a_checkpoint_holds_is_readable_by_people(tmp_path: Path) -> None:
    _run(tmp_path, Quadratic()).fit()
    state = json.loads((tmp_path / "checkpoints" / "step-00000012" / "state.json").read_text(encoding="utf-8"))
    assert {name: state[name] for name in ("step", "epoch", "best", "best_epoch")} == {
        "step": 12,
        "epoch": 3,
        "best": None,
        "best_epoch": 3,
    }
