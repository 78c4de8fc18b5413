"""Schedules that start at the peak rate and fall: torch's, as closed forms with torch's names and arguments.

Each equals the trace of the scheduler in ``torch.optim.lr_scheduler`` that its docstring names, with the peak rate for the
rate of the optimizer; what torch counts as one call of ``scheduler.step()`` is an ``interval`` here. Rates among the arguments
(``eta_min``) are rates, not factors.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from typing import Any

from ecg_core.contracts.schedule import Interval, Moment, Schedule
from ecg_core.errors import ConfigError

__all__ = ["CosineAnnealing", "CosineWarmRestarts", "Exponential", "MultiStep", "Polynomial", "Step", "share"]


def share(rate: float, lr: float, word: str) -> float:
    """A rate as a factor on the peak rate.

    Raises:
        ConfigError: It is negative or above the peak rate; ``word`` is the argument's name.
    """
    if not 0 <= rate <= lr:
        raise ConfigError(f"{word} must be a rate from 0 to the peak learning rate, lr={lr:g}, got {rate!r}")
    return rate / lr


def at_least(value: float | None, least: float, word: str) -> None:
    """Refuse a smaller number; ``None`` stands for a default.

    Raises:
        ConfigError: ``word``, the argument's name, with the number.
    """
    if value is not None and not value >= least:
        raise ConfigError(f"{word} must be at least {least:g}, got {value!r}")


def fraction(value: float, word: str) -> None:
    """Refuse what does not lie in (0, 1].

    Raises:
        ConfigError: ``word``, the argument's name, with the number.
    """
    if not 0 < value <= 1:
        raise ConfigError(f"{word} must lie in (0, 1], got {value!r}")


class Step(Schedule):
    """Times ``gamma`` every ``step_size`` intervals; ``StepLR``.

    Args:
        step_size: Intervals between two falls.
        gamma: Factor of a fall, in (0, 1].
        warmup: Share of all steps in which the rate rises.
        interval: ``"step"`` or ``"epoch"``.
    """

    def __init__(self, *, step_size: int, gamma: float = 0.1, warmup: float = 0.0, interval: Interval = "epoch") -> None:
        super().__init__(warmup=warmup, interval=interval)
        at_least(step_size, 1, "step_size")
        fraction(gamma, "gamma")
        self.step_size, self.gamma = step_size, gamma

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"step_size": 3}, "refused": [{"step_size": 0}, {"gamma": 1.5}, {"interval": "batch"}]}

    def trace(self, now: Moment) -> float:
        return self.gamma ** (now.count // self.step_size)


class MultiStep(Schedule):
    """Times ``gamma`` at each milestone; ``MultiStepLR``.

    Args:
        milestones: Intervals after which the rate falls.
        gamma: Factor of a fall, in (0, 1].
        warmup: Share of all steps in which the rate rises.
        interval: ``"step"`` or ``"epoch"``.
    """

    def __init__(
        self, *, milestones: Sequence[int], gamma: float = 0.1, warmup: float = 0.0, interval: Interval = "epoch"
    ) -> None:
        super().__init__(warmup=warmup, interval=interval)
        for milestone in milestones:
            at_least(milestone, 1, "milestones")
        fraction(gamma, "gamma")
        self.milestones, self.gamma = sorted(milestones), gamma

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"milestones": [4, 7]}, "refused": [{"milestones": [0]}, {"gamma": 0.0}]}

    def trace(self, now: Moment) -> float:
        return self.gamma ** bisect.bisect_right(self.milestones, now.count)


class Exponential(Schedule):
    """Times ``gamma`` every interval; ``ExponentialLR``.

    Args:
        gamma: Factor of an interval, in (0, 1].
        warmup: Share of all steps in which the rate rises.
        interval: ``"step"`` or ``"epoch"``.
    """

    def __init__(self, *, gamma: float, warmup: float = 0.0, interval: Interval = "epoch") -> None:
        super().__init__(warmup=warmup, interval=interval)
        fraction(gamma, "gamma")
        self.gamma = gamma

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"gamma": 0.9}, "refused": [{"gamma": 1.01}]}

    def trace(self, now: Moment) -> float:
        return self.gamma**now.count


class Polynomial(Schedule):
    """``(1 - t / total_iters) ** power``; ``PolynomialLR``.

    Args:
        total_iters: Intervals until the rate is 0, where it stays; ``None`` for the whole run.
        power: Of the polynomial; 1 is a straight line.
        warmup: Share of all steps in which the rate rises.
        interval: ``"step"`` or ``"epoch"``.
    """

    def __init__(
        self, *, total_iters: int | None = None, power: float = 1.0, warmup: float = 0.0, interval: Interval = "step"
    ) -> None:
        super().__init__(warmup=warmup, interval=interval)
        at_least(total_iters, 1, "total_iters")
        at_least(power, 0, "power")
        self.total_iters, self.power = total_iters, power

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"total_iters": 0}, {"power": -1.0}]}

    def trace(self, now: Moment) -> float:
        total = self.total_iters or max(now.counts, 1)
        return float((1 - min(now.count, total) / total) ** self.power)


class CosineAnnealing(Schedule):
    """A half cosine from the peak to ``eta_min`` (Loshchilov and Hutter 2017); ``CosineAnnealingLR``.

    Args:
        T_max: Intervals of the half cosine, after which it rises again; ``None`` for the whole run.
        eta_min: Least rate.
        warmup: Share of all steps in which the rate rises.
        interval: ``"step"`` or ``"epoch"``.
    """

    def __init__(
        self, *, T_max: int | None = None, eta_min: float = 0.0, warmup: float = 0.0, interval: Interval = "step"
    ) -> None:
        super().__init__(warmup=warmup, interval=interval)
        at_least(T_max, 1, "T_max")
        at_least(eta_min, 0, "eta_min")
        self.T_max, self.eta_min = T_max, eta_min

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"T_max": 0}, {"eta_min": -0.1}]}

    def trace(self, now: Moment) -> float:
        return _half_cosine(now.count / (self.T_max or max(now.counts, 1)), share(self.eta_min, now.lr, "eta_min"))


class CosineWarmRestarts(Schedule):
    """Half cosines that start again at the peak (SGDR, Loshchilov and Hutter 2017); ``CosineAnnealingWarmRestarts``.

    Args:
        T_0: Intervals of the first one.
        T_mult: By which each is longer than the one before.
        eta_min: Least rate.
        warmup: Share of all steps in which the rate rises.
        interval: ``"step"`` or ``"epoch"``.
    """

    def __init__(
        self, *, T_0: int, T_mult: int = 1, eta_min: float = 0.0, warmup: float = 0.0, interval: Interval = "epoch"
    ) -> None:
        super().__init__(warmup=warmup, interval=interval)
        at_least(T_0, 1, "T_0")
        at_least(T_mult, 1, "T_mult")
        at_least(eta_min, 0, "eta_min")
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"T_0": 4, "T_mult": 2}, "refused": [{"T_0": 0}, {"T_mult": 0}, {"eta_min": -1.0}]}

    def trace(self, now: Moment) -> float:
        since, length = now.count, self.T_0
        if self.T_mult == 1:
            since %= length
        while since >= length:
            since, length = since - length, length * self.T_mult
        return _half_cosine(since / length, share(self.eta_min, now.lr, "eta_min"))


def _half_cosine(done: float, least: float) -> float:
    return least + (1 - least) * (1 + math.cos(math.pi * done)) / 2
