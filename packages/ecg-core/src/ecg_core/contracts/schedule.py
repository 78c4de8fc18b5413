"""Schedule: the learning rate over a run, as a pure function of where the run stands, so that nothing has to be saved."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ecg_core.config.configurable import Configurable
from ecg_core.errors import ConfigError

__all__ = ["Interval", "Moment", "Schedule"]

Interval = Literal["step", "epoch"]


@dataclass(frozen=True)
class Moment:
    """Where a run stands.

    Args:
        count: Intervals done: steps or epochs, as the schedule counts.
        counts: Of the whole run.
        lr: Peak learning rate, for arguments that are rates themselves.
        numbers: What validation measured after each epoch so far.
    """

    count: int
    counts: int
    lr: float = 1.0
    numbers: Sequence[Mapping[str, float | None]] = ()


class Schedule(Configurable):
    """Base of schedules that count in steps or in epochs. A subclass implements :meth:`trace`.

    Args:
        warmup: Share of all steps in which the rate rises; its factor multiplies the trace, step by step.
        interval: ``"step"`` or ``"epoch"``: what the trace counts.

    Raises:
        ConfigError: One of them is something else.
    """

    def __init__(self, *, warmup: float = 0.0, interval: Interval = "step") -> None:
        if not 0 <= warmup < 1:
            raise ConfigError(f"warmup must be a share of all steps in [0, 1), got {warmup!r}")
        if interval not in ("step", "epoch"):
            raise ConfigError(f"interval must be 'step' or 'epoch', got {interval!r}")
        self.warmup, self.interval = warmup, interval

    @abstractmethod
    def trace(self, now: Moment) -> float:
        """Factor on the peak rate, in [0, 1], without warmup."""

    def __call__(
        self,
        step: int,
        steps: int,
        *,
        epochs: int | None = None,
        lr: float = 1.0,
        numbers: Sequence[Mapping[str, float | None]] = (),
    ) -> float:
        """Factor on the peak rate at ``step`` of ``steps``.

        Args:
            step: Steps done.
            steps: Of the whole run.
            epochs: Of the whole run, of equally many steps each; ``None`` makes every step an epoch.
            lr: Peak rate.
            numbers: What validation measured after each epoch so far.
        """
        count, counts = step, steps
        if self.interval == "epoch" and epochs is not None:
            count, counts = step * epochs // steps, epochs
        rise = self.warmup * steps
        return min(1.0, (step + 1) / (rise + 1)) * self.trace(Moment(count, counts, lr, numbers))
