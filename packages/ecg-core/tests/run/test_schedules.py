"""Learning-rate schedules against their formulas."""

from __future__ import annotations

import itertools
import math

import pytest

from ecg_core.discovery.registries import SCHEDULERS
from ecg_core.run.optimization.schedules import Constant, WarmupCosine

STEPS = 1000


def test_warmup_rises_linearly_to_the_peak() -> None:
    factor = [WarmupCosine(warmup=0.1)(step, STEPS) for step in range(101)]
    assert factor[0] == pytest.approx(1 / 101)
    assert factor[49] == pytest.approx(50 / 101)
    assert factor[100] == 1.0
    assert all(b > a for a, b in itertools.pairwise(factor))


def test_cosine_is_a_half_in_the_middle_and_almost_zero_at_the_last_step() -> None:
    schedule = WarmupCosine(warmup=0.1)
    assert schedule(550, STEPS) == pytest.approx(0.5)  # half way between 100 and 1000
    assert schedule(325, STEPS) == pytest.approx(0.5 * (1 + math.sqrt(0.5)))  # a quarter: cos 45°
    assert schedule(STEPS - 1, STEPS) == pytest.approx(0.5 * (1 + math.cos(math.pi * 899 / 900)))
    assert schedule(STEPS, STEPS) == pytest.approx(0.0)


def test_without_warmup_the_first_step_has_the_peak_rate() -> None:
    assert WarmupCosine(warmup=0.0)(0, STEPS) == 1.0
    assert Constant()(0, STEPS) == 1.0


def test_constant_stays_at_the_peak_after_its_rise() -> None:
    schedule = Constant(warmup=0.5)
    assert schedule(0, 10) == pytest.approx(1 / 6)
    assert [schedule(step, 10) for step in (5, 7, 9)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("schedule", [WarmupCosine(warmup=0.3), Constant(warmup=0.3)])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_run_of_few_steps_learns_at_every_one(schedule: WarmupCosine | Constant, steps: int) -> None:
    assert all(0 < schedule(step, steps) <= 1 for step in range(steps))


def test_schedules_are_built_by_name() -> None:
    assert SCHEDULERS.build("warmup_cosine", warmup=0.2)(0, 10) == pytest.approx(1 / 3)
    assert SCHEDULERS.build("constant", warmup=0.0)(9, 10) == 1.0
