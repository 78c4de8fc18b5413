"""Schedules of schedules: one after the other, or multiplied. Warmup and interval are those of the whole, not of the parts."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from typing import Any

from ecg_core.contracts.schedule import Interval, Moment, Schedule
from ecg_core.errors import ConfigError

__all__ = ["Chained", "Sequential"]


class Sequential(Schedule):
    """One schedule after the other, each counting from its own beginning; ``SequentialLR``.

    Args:
        schedulers: Schedules; in a configuration ``{"kind": "schedulers", "name": …}`` each.
        milestones: Intervals at which the next one takes over, rising; one less than schedules.
        warmup: Share of all steps in which the rate rises.
        interval: ``"step"`` or ``"epoch"``.
    """

    def __init__(
        self, *, schedulers: Sequence[Schedule], milestones: Sequence[int], warmup: float = 0.0, interval: Interval = "epoch"
    ) -> None:
        super().__init__(warmup=warmup, interval=interval)
        _check(schedulers)
        rising = all(a < b for a, b in itertools.pairwise([0, *milestones]))
        if len(milestones) != len(schedulers) - 1 or not rising:
            raise ConfigError(
                f"{len(schedulers)} schedules need {len(schedulers) - 1} rising milestones above 0, got {list(milestones)}"
            )
        self.schedulers, self.milestones = tuple(schedulers), tuple(milestones)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        parts = [{"kind": "schedulers", "name": name} for name in ("linear", "polynomial")]
        return {"arguments": {"schedulers": parts, "milestones": [5]}, "refused": [{"milestones": []}, {"milestones": [0]}]}

    def trace(self, now: Moment) -> float:
        number = bisect.bisect_right(self.milestones, now.count)
        begins = (0, *self.milestones)[number]
        ends = (*self.milestones, max(now.counts, begins + 1))[number]
        return self.schedulers[number].trace(Moment(now.count - begins, ends - begins, now.lr, now.numbers))


class Chained(Schedule):
    """The product of schedules; ``ChainedScheduler``.

    Args:
        schedulers: Schedules; in a configuration ``{"kind": "schedulers", "name": …}`` each.
        warmup: Share of all steps in which the rate rises.
        interval: ``"step"`` or ``"epoch"``.
    """

    def __init__(self, *, schedulers: Sequence[Schedule], warmup: float = 0.0, interval: Interval = "epoch") -> None:
        super().__init__(warmup=warmup, interval=interval)
        _check(schedulers)
        self.schedulers = tuple(schedulers)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        parts = [{"kind": "schedulers", "name": "step", "step_size": 500}, {"kind": "schedulers", "name": "linear"}]
        return {"arguments": {"schedulers": parts}, "refused": [{"schedulers": []}]}

    def trace(self, now: Moment) -> float:
        return math.prod(schedule.trace(now) for schedule in self.schedulers)


def _check(schedulers: Sequence[Schedule]) -> None:
    others = [type(s).__name__ for s in schedulers if not isinstance(s, Schedule)]
    if others or not schedulers:
        raise ConfigError(
            f"expected at least one schedule that derives from ecg_core.Schedule, got {', '.join(others) or 'none'}"
        )
