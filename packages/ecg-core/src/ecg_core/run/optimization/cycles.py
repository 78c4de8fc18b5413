"""Schedules that rise to the peak rate and fall from it: torch's, as closed forms with torch's names and arguments.

Each equals the trace of the scheduler in ``torch.optim.lr_scheduler`` that its docstring names; torch's ``max_lr`` is the peak
rate of the run, and what cycles the momentum too is left to the optimizer's own arguments.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from ecg_core.contracts.schedule import Interval, Moment, Schedule
from ecg_core.errors import ConfigError
from ecg_core.run.optimization.decays import at_least, fraction, share

__all__ = ["ConstantFactor", "Cyclic", "Linear", "OneCycle"]


class Linear(Schedule):
    """A straight line between two factors; ``LinearLR``.

    Args:
        start_factor: Of the first interval, in (0, 1].
        end_factor: From ``total_iters`` on, in [0, 1].
        total_iters: Intervals between the two; ``None`` for the whole run.
        warmup: Share of all steps in which the rate rises.
        interval: ``"step"`` or ``"epoch"``.
    """

    def __init__(
        self,
        *,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int | None = 5,
        warmup: float = 0.0,
        interval: Interval = "epoch",
    ) -> None:
        super().__init__(warmup=warmup, interval=interval)
        fraction(start_factor, "start_factor")
        if not 0 <= end_factor <= 1:
            raise ConfigError(f"end_factor must lie in [0, 1], got {end_factor!r}")
        at_least(total_iters, 1, "total_iters")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"start_factor": 0.0}, {"end_factor": 2.0}, {"total_iters": 0}]}

    def trace(self, now: Moment) -> float:
        total = self.total_iters or max(now.counts, 1)
        return self.start_factor + (self.end_factor - self.start_factor) * min(now.count, total) / total


class ConstantFactor(Schedule):
    """A fixed share of the rate for some intervals, then all of it; ``ConstantLR``.

    Args:
        factor: The share, in (0, 1].
        total_iters: For how many intervals.
        warmup: Share of all steps in which the rate rises.
        interval: ``"step"`` or ``"epoch"``.
    """

    def __init__(self, *, factor: float = 1 / 3, total_iters: int = 5, warmup: float = 0.0, interval: Interval = "epoch") -> None:
        super().__init__(warmup=warmup, interval=interval)
        fraction(factor, "factor")
        at_least(total_iters, 0, "total_iters")
        self.factor, self.total_iters = factor, total_iters

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"factor": 0.0}, {"total_iters": -1}]}

    def trace(self, now: Moment) -> float:
        return self.factor if now.count < self.total_iters else 1.0


class OneCycle(Schedule):
    """One rise to the peak and one fall far below the start (Smith and Topin 2018); ``OneCycleLR``.

    The cycle lasts the whole run, as torch's ``total_steps`` says elsewhere.

    Args:
        pct_start: Share of the run in which the rate rises, in [0, 1].
        anneal_strategy: ``"cos"`` or ``"linear"``.
        div_factor: Peak rate over the first one.
        final_div_factor: First rate over the last one.
        three_phase: Fall to the first rate as long as it rose, then to the last one.
        warmup: Share of all steps in which the rate rises beside that.
        interval: ``"step"`` or ``"epoch"``.
    """

    def __init__(
        self,
        *,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        warmup: float = 0.0,
        interval: Interval = "step",
    ) -> None:
        super().__init__(warmup=warmup, interval=interval)
        if not 0 <= pct_start <= (0.5 if three_phase else 1):
            raise ConfigError(
                f"pct_start must be a share of the run in [0, 1], or [0, 0.5] with three_phase=True, got {pct_start!r}"
            )
        if anneal_strategy not in ("cos", "linear"):
            raise ConfigError(f"anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        at_least(div_factor, 1, "div_factor")
        at_least(final_div_factor, 1, "final_div_factor")
        self.pct_start, self.anneal_strategy, self.three_phase = pct_start, anneal_strategy, three_phase
        self.div_factor, self.final_div_factor = div_factor, final_div_factor

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        refused = [
            {"pct_start": 1.5},
            {"pct_start": 0.7, "three_phase": True},
            {"anneal_strategy": "cosine"},
            {"div_factor": 0.5},
        ]
        return {"refused": refused}

    def trace(self, now: Moment) -> float:
        first = 1 / self.div_factor
        last = first / self.final_div_factor
        rise = self.pct_start * now.counts
        if self.three_phase:
            ends, factors = [rise - 1, 2 * rise - 2, now.counts - 1.0], [first, 1.0, first, last]
        else:
            ends, factors = [rise - 1, now.counts - 1.0], [first, 1.0, last]
        begin = 0.0
        for phase, end in enumerate(ends):
            if now.count <= end or phase == len(ends) - 1:
                done = 1.0 if end == begin else (now.count - begin) / (end - begin)
                return self._between(factors[phase], factors[phase + 1], done)
            begin = end
        raise AssertionError("the last phase takes what is left")

    def _between(self, start: float, end: float, done: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * done
        return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


class Cyclic(Schedule):
    """Triangles between a base rate and the peak (Smith, WACV 2017); ``CyclicLR``.

    Args:
        step_size_up: Intervals of a rise.
        step_size_down: Intervals of a fall; ``None`` for as many.
        base_lr: Least rate; ``None`` for a tenth of the peak.
        mode: ``"triangular"``: all alike. ``"triangular2"``: each half as high. ``"exp_range"``: lower by ``gamma`` an interval.
        gamma: See ``mode``; in (0, 1].
        warmup: Share of all steps in which the rate rises beside that.
        interval: ``"step"`` or ``"epoch"``.
    """

    def __init__(
        self,
        *,
        step_size_up: int,
        step_size_down: int | None = None,
        base_lr: float | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        warmup: float = 0.0,
        interval: Interval = "step",
    ) -> None:
        super().__init__(warmup=warmup, interval=interval)
        at_least(step_size_up, 1, "step_size_up")
        at_least(step_size_down, 1, "step_size_down")
        at_least(base_lr, 0, "base_lr")
        if mode not in ("triangular", "triangular2", "exp_range"):
            raise ConfigError(f"mode must be 'triangular', 'triangular2' or 'exp_range', got {mode!r}")
        fraction(gamma, "gamma")
        self.step_size_up, self.step_size_down = step_size_up, step_size_down or step_size_up
        self.base_lr, self.mode, self.gamma = base_lr, mode, gamma

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"step_size_up": 5}, "refused": [{"step_size_up": 0}, {"mode": "square"}, {"gamma": 2.0}]}

    def trace(self, now: Moment) -> float:
        base = 0.1 if self.base_lr is None else share(self.base_lr, now.lr, "base_lr")
        cycle, since = divmod(now.count, self.step_size_up + self.step_size_down)
        up = since <= self.step_size_up
        height = since / self.step_size_up if up else 1 - (since - self.step_size_up) / self.step_size_down
        scale = {"triangular": 1.0, "triangular2": 0.5**cycle, "exp_range": self.gamma**now.count}[self.mode]
        return base + (1 - base) * height * scale
