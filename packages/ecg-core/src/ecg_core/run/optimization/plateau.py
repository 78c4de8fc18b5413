"""Plateau: the rate falls when validation stops getting better; ``ReduceLROnPlateau`` of torch.

What it depends on is what validation measured. The run keeps these numbers in its checkpoints and the rate is a pure function
of them, so a run that was killed goes on with the rate it had.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

from ecg_core.contracts.schedule import Moment, Schedule
from ecg_core.errors import ConfigError
from ecg_core.run.optimization.decays import at_least, share

__all__ = ["Plateau"]


class Plateau(Schedule):
    """Times ``factor`` when ``patience`` epochs in a row were no better than the best before; ``ReduceLROnPlateau``.

    Args:
        metric: Which number of the validation it watches; ``None`` for the first, which is ``val_auroc`` in fine-tuning (of
            numbers ``val_r2``) and ``val_loss`` in pre-training.
        mode: ``"min"`` or ``"max"`` is better; ``None``: ``"min"`` for what ends in ``loss``, ``"max"`` for all else.
        factor: Of a fall, in (0, 1).
        patience: Epochs without improvement that are borne.
        threshold: Least improvement that counts.
        threshold_mode: ``"rel"``: a share of the best; ``"abs"``: a difference.
        cooldown: Epochs after a fall in which none is counted.
        min_lr: Least rate.
        eps: A fall by less than this is left out, in units of the rate.
        warmup: Share of all steps in which the rate rises.
    """

    def __init__(
        self,
        *,
        metric: str | None = None,
        mode: Literal["min", "max"] | None = None,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
        warmup: float = 0.0,
    ) -> None:
        super().__init__(warmup=warmup, interval="epoch")
        if mode not in ("min", "max", None):
            raise ConfigError(f"mode must be 'min', 'max' or None, got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ConfigError(f"threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        if not 0 < factor < 1:
            raise ConfigError(f"factor must lie between 0 and 1, got {factor!r}")
        for word, value in {
            "patience": patience,
            "threshold": threshold,
            "cooldown": cooldown,
            "min_lr": min_lr,
            "eps": eps,
        }.items():
            at_least(value, 0, word)
        self.metric, self.mode, self.factor, self.patience = metric, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown = threshold, threshold_mode, cooldown
        self.min_lr, self.eps = min_lr, eps

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"mode": "least"}, {"factor": 1.0}, {"patience": -1}, {"threshold_mode": "relative"}]}

    def trace(self, now: Moment) -> float:
        """See :class:`Plateau`.

        Raises:
            ConfigError: Validation does not measure what is watched.
        """
        rate, least = now.lr, share(self.min_lr, now.lr, "min_lr") * now.lr
        best, bad, cooling = math.nan, 0, 0
        for value, smaller in self._watched(now):
            if self._improves(value, best, smaller):
                best, bad = value, 0
            else:
                bad += 1
            if cooling:
                cooling, bad = cooling - 1, 0
            if bad > self.patience:
                lower = max(rate * self.factor, least)
                rate = lower if rate - lower > self.eps else rate
                cooling, bad = self.cooldown, 0
        return rate / now.lr

    def _watched(self, now: Moment) -> Iterator[tuple[float, bool]]:
        for numbers in now.numbers:
            name = self.metric or next(iter(numbers), None)
            if name is None or name not in numbers:
                measured = ", ".join(numbers) or "nothing; give it validation patients (`ecg prep --split`)"
                raise ConfigError(f"the schedule plateau watches {name or 'validation'}, and validation measures {measured}")
            value = numbers[name]
            yield (math.nan if value is None else value), (name.endswith("loss") if self.mode is None else self.mode == "min")

    def _improves(self, value: float, best: float, smaller: bool) -> bool:
        if math.isnan(best):
            return not math.isnan(value)
        sign = -1.0 if smaller else 1.0
        margin = self.threshold * (best if self.threshold_mode == "rel" else 1.0)
        return value < best - margin if sign < 0 else value > best + margin
