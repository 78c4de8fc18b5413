"""Learning-rate schedules: pure functions of the step, so that nothing about them has to be saved."""

from __future__ import annotations

import math

from ecg_core.config.configurable import Configurable

__all__ = ["Constant", "WarmupCosine"]


class WarmupCosine(Configurable):
    """Linear rise, then a half cosine down to zero (Loshchilov and Hutter 2017; per step, as in MAE).

    Args:
        warmup: Share of all steps in which the rate rises.
    """

    def __init__(self, *, warmup: float = 0.1) -> None:
        self.warmup = warmup

    def __call__(self, step: int, steps: int) -> float:
        """Factor on the peak rate at ``step`` of ``steps``."""
        rise = self.warmup * steps
        if step < rise:
            return (step + 1) / (rise + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, steps - rise)))


class Constant(Configurable):
    """Linear rise, then the peak rate to the end.

    Args:
        warmup: Share of all steps in which the rate rises.
    """

    def __init__(self, *, warmup: float = 0.0) -> None:
        self.warmup = warmup

    def __call__(self, step: int, steps: int) -> float:
        """Factor on the peak rate at ``step`` of ``steps``."""
        rise = self.warmup * steps
        return min(1.0, (step + 1) / (rise + 1))
