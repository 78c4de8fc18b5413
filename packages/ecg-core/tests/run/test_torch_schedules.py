"""Every schedule that has torch's name equals torch's own scheduler, stepped as torch is, with the same arguments."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from ecg_core.contracts.schedule import Moment, Schedule
from ecg_core.discovery.registries import SCHEDULERS
from ecg_core.errors import ConfigError

LR, STEPS = 0.02, 60


def _torch_trace(make: Callable[[torch.optim.Optimizer], Any], steps: int = STEPS) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler, seen = make(optimizer), []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's SequentialLR warns of its own use of step(epoch)
            scheduler.step()
    return seen


def _our_trace(name: str, steps: int = STEPS, **words: Any) -> list[float]:
    schedule = SCHEDULERS.build(name, **words)
    return [LR * schedule(step, steps, lr=LR) for step in range(steps)]


SAME = {
    "step": ("StepLR", [{"step_size": 7}, {"step_size": 1, "gamma": 0.9}]),
    "multi_step": ("MultiStepLR", [{"milestones": [5, 20, 21], "gamma": 0.3}, {"milestones": [9, 3]}]),
    "exponential": ("ExponentialLR", [{"gamma": 0.93}]),
    "polynomial": ("PolynomialLR", [{"total_iters": 25, "power": 2.5}, {"total_iters": 80}]),
    "linear": ("LinearLR", [{}, {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 33}]),
    "constant_factor": ("ConstantLR", [{}, {"factor": 0.25, "total_iters": 17}]),
    "cosine_annealing": ("CosineAnnealingLR", [{"T_max": 60}, {"T_max": 13, "eta_min": 0.003}]),
    "cosine_warm_restarts": (
        "CosineAnnealingWarmRestarts", [{"T_0": 7}, {"T_0": 4, "T_mult": 2, "eta_min": 1e-3}, {"T_0": 1, "T_mult": 3}]
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "words"), [(name, words) for name, (_, sets) in SAME.items() for words in sets], ids=str)
def test_it_is_torchs_trace_with_torchs_arguments(name: str, words: dict[str, Any]) -> None:
    expected = _torch_trace(lambda optimizer: getattr(lr_scheduler, SAME[name][0])(optimizer, **words))
    assert _our_trace(name, **words) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize("steps", [2, 3, 7, 10, 60, 101])
def test_one_cycle_is_torchs_over_the_whole_run(steps: int, three_phase: bool, strategy: str) -> None:
    words = {
        "pct_start": 0.27,
        "anneal_strategy": strategy,
        "div_factor": 13.0,
        "final_div_factor": 77.0,
        "three_phase": three_phase,
    }

    def make(optimizer: torch.optim.Optimizer) -> Any:
        return lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps + 1, cycle_momentum=False, **words)

    expected = _torch_trace(make, steps)  # torch steps once more than it is asked for a rate
    schedule = SCHEDULERS.build("one_cycle", **words)
    assert [LR * schedule(step, steps + 1) for step in range(steps)] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "words",
    [
        {"step_size_up": 5, "base_lr": 0.001},
        {"step_size_up": 3, "step_size_down": 8, "base_lr": 0.0, "mode": "triangular2"},
        {"step_size_up": 4, "base_lr": 0.005, "mode": "exp_range", "gamma": 0.97},
    ],
    ids=str,
)
def test_cyclic_is_torchs_with_the_peak_for_its_largest_rate(words: dict[str, Any]) -> None:
    expected = _torch_trace(lambda o: lr_scheduler.CyclicLR(o, max_lr=LR, cycle_momentum=False, **words))
    assert _our_trace("cyclic", **words) == pytest.approx(expected, abs=1e-12)


def test_sequential_is_torchs() -> None:
    def make(optimizer: torch.optim.Optimizer) -> Any:
        parts = [lr_scheduler.LinearLR(optimizer, 0.1, total_iters=6), lr_scheduler.ExponentialLR(optimizer, 0.9)]
        return lr_scheduler.SequentialLR(optimizer, parts, milestones=[10])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = _torch_trace(make)
    parts = [
        {"kind": "schedulers", "name": "linear", "start_factor": 0.1, "total_iters": 6},
        {"kind": "schedulers", "name": "exponential", "gamma": 0.9},
    ]
    schedule = SCHEDULERS.build({"name": "sequential", "schedulers": parts, "milestones": [10]})
    assert [LR * schedule(step, STEPS) for step in range(STEPS)] == pytest.approx(expected, abs=1e-12)


def test_chained_is_torchs() -> None:
    def make(optimizer: torch.optim.Optimizer) -> Any:
        return lr_scheduler.ChainedScheduler([lr_scheduler.ConstantLR(optimizer), lr_scheduler.ExponentialLR(optimizer, 0.95)])

    parts = [{"kind": "schedulers", "name": "constant_factor"}, {"kind": "schedulers", "name": "exponential", "gamma": 0.95}]
    schedule = SCHEDULERS.build({"name": "chained", "schedulers": parts})
    assert [LR * schedule(step, STEPS) for step in range(STEPS)] == pytest.approx(_torch_trace(make), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), min_size=1, max_size=40),
    st.sampled_from(["min", "max"]),
    st.sampled_from(["rel", "abs"]),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.004]),
)
def test_plateau_is_torchs_for_every_history(
    history: list[float], mode: Any, threshold_mode: Any, patience: int, cooldown: int, min_lr: float
) -> None:
    """A number that does not exist is no improvement; torch takes it for one only as the very first."""
    history = [0.5, *history]
    words = {
        "mode": mode, "threshold_mode": threshold_mode, "patience": patience, "cooldown": cooldown, "min_lr": min_lr,
        "factor": 0.5, "threshold": 0.01,
    }  # fmt: skip
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **words)
    schedule, numbers = SCHEDULERS.build("plateau", **words), []
    for value in history:
        scheduler.step(value)
        numbers.append({"val_score": None if math.isnan(value) else value})
        found = LR * schedule(len(numbers), 100, epochs=100, lr=LR, numbers=numbers)
        assert found == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)


# ---------------------------------------------------------------- intervals, warmup, defaults


def test_a_schedule_of_epochs_counts_epochs_and_one_of_steps_counts_steps() -> None:
    by_epoch = SCHEDULERS.build("step", step_size=2, gamma=0.5)
    assert [by_epoch(step, 20, epochs=5) for step in range(0, 20, 4)] == [1, 1, 0.5, 0.5, 0.25]
    assert by_epoch(7, 20, epochs=5) == 1  # the last step of the second epoch
    by_step = SCHEDULERS.build("step", step_size=2, gamma=0.5, interval="step")
    assert [by_step(step, 20, epochs=5) for step in range(4)] == [1, 1, 0.5, 0.5]


def test_warmup_multiplies_the_trace_step_by_step_even_where_epochs_are_counted() -> None:
    schedule = SCHEDULERS.build("exponential", gamma=0.5, warmup=0.25)
    found = [schedule(step, 16, epochs=4) for step in range(8)]
    assert found == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.5, 0.5, 0.5, 0.5])


def test_without_a_length_a_fall_lasts_the_whole_run() -> None:
    for name, words in (("cosine_annealing", {}), ("polynomial", {}), ("linear", {"start_factor": 1.0, "end_factor": 0.0})):
        schedule = SCHEDULERS.build(name, **words, **({"total_iters": None} if name == "linear" else {}))
        assert schedule(40, 80, epochs=10) == pytest.approx(0.5)


def test_plateau_watches_the_first_number_and_knows_which_way_is_better() -> None:
    worse_loss = [{"val_loss": 1.0}, {"val_loss": 2.0}]
    worse_score = [{"val_auroc": 0.9, "val_loss": 1.0}, {"val_auroc": 0.8, "val_loss": 0.5}]
    plateau = SCHEDULERS.build("plateau", patience=0)
    assert plateau(2, 10, numbers=worse_loss) == pytest.approx(0.1)
    assert plateau(2, 10, numbers=worse_score) == pytest.approx(0.1)
    assert SCHEDULERS.build("plateau", patience=0, metric="val_loss")(2, 10, numbers=worse_score) == 1.0


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "step", "step_size": 0}, "step_size must be at least 1, got 0"),
        ({"name": "exponential", "gamma": 1.2}, r"gamma must lie in \(0, 1\], got 1.2"),
        ({"name": "multi_step", "milestones": [0]}, "milestones must be at least 1, got 0"),
        ({"name": "linear", "end_factor": 2.0}, r"end_factor must lie in \[0, 1\], got 2.0"),
        ({"name": "one_cycle", "pct_start": 2}, r"pct_start must be a share of the run in \[0, 1\], or \[0, 0.5\]"),
        ({"name": "one_cycle", "anneal_strategy": "cosine"}, "anneal_strategy must be 'cos' or 'linear', got 'cosine'"),
        ({"name": "cyclic", "step_size_up": 3, "mode": "saw"}, "mode must be 'triangular', 'triangular2' or 'exp_range'"),
        ({"name": "plateau", "factor": 1.0}, "factor must lie between 0 and 1, got 1.0"),
        ({"name": "plateau", "mode": "least"}, "mode must be 'min', 'max' or None, got 'least'"),
        ({"name": "plateau", "threshold_mode": "r"}, "threshold_mode must be 'rel' or 'abs', got 'r'"),
        ({"name": "polynomial", "interval": "batch"}, "interval must be 'step' or 'epoch', got 'batch'"),
        ({"name": "polynomial", "warmup": 1.0}, r"warmup must be a share of all steps in \[0, 1\), got 1.0"),
        ({"name": "chained", "schedulers": []}, "expected at least one schedule that derives from ecg_core.Schedule, got none"),
        ({"name": "chained", "schedulers": [3]}, "derives from ecg_core.Schedule, got int"),
        (
            {"name": "sequential", "schedulers": [{"kind": "schedulers", "name": "linear"}] * 2, "milestones": [0]},
            r"2 schedules need 1 rising milestones above 0, got \[0\]",
        ),
    ],
)
def test_a_wrong_argument_is_named_with_its_value(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SCHEDULERS.build(config)


def test_a_rate_above_the_peak_and_a_number_that_nobody_measures_are_named() -> None:
    with pytest.raises(ConfigError, match="eta_min must be a rate from 0 to the peak learning rate, lr=0.01, got 0.1"):
        SCHEDULERS.build("cosine_annealing", eta_min=0.1)(0, 10, lr=0.01)
    plateau = SCHEDULERS.build("plateau", metric="val_f1")
    with pytest.raises(ConfigError, match="plateau watches val_f1, and validation measures val_auroc"):
        plateau(1, 10, numbers=[{"val_auroc": 0.5}])
    with pytest.raises(ConfigError, match="plateau watches validation, and validation measures nothing; give it validation pat"):
        SCHEDULERS.build("plateau")(1, 10, numbers=[{}])


def test_a_schedule_of_a_stranger_needs_one_method() -> None:
    class Halves(Schedule):
        def trace(self, now: Moment) -> float:
            return 0.5**now.count

    assert Halves(interval="epoch", warmup=0.5)(1, 4, epochs=2) == pytest.approx(2 / 3)
    assert Halves()(3, 4) == 0.125
