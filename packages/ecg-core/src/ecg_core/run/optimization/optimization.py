"""From settings to what moves the weights: parameter groups with their own rates, the optimizer, and the rate of each step."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ecg_core.contracts.schedule import Schedule
from ecg_core.discovery.registries import OPTIMIZERS, SCHEDULERS
from ecg_core.discovery.registry import Registry
from ecg_core.errors import ConfigError, RunError
from ecg_core.run.optimization.layer_decay import layer_scales
from ecg_core.run.settings import Settings

__all__ = ["Rates", "build_optimizer", "check_optimization"]

_SCALE, _RAMP = "lr_scale", "ramps_decay"
_OF_THE_RUN = ("params", "lr", "weight_decay")


def build_optimizer(learner: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimizer of these settings over the trained parameters; vectors do not decay unless the settings say so.

    Raises:
        RunError: Every parameter is frozen.
        ConfigError: The optimizer does not take what was asked, or was given what the run gives it.
    """
    name, chosen = _parts(settings.optimizer)
    taken = [word for word in chosen if word in _OF_THE_RUN]
    if taken:
        raise ConfigError(f"{taken[0]} of the optimizer {name!r} is a setting of the run itself; give it there")
    known = inspect.signature(OPTIMIZERS.get(name)).parameters
    words: dict[str, Any] = {"betas": settings.betas} if "betas" in known else {}
    groups = _parameter_groups(learner, settings)
    if "weight_decay" not in known:
        groups = [{word: value for word, value in group.items() if word != "weight_decay"} for group in groups]
    words |= {word: tuple(v) if isinstance(v, list) else v for word, v in chosen.items()}
    found: torch.optim.Optimizer = _build(OPTIMIZERS, name, params=groups, lr=settings.lr, **words)
    return found


def check_optimization(settings: Settings) -> None:
    """Build the optimizer and the schedule once, for a parameter of no importance, before a run writes anything.

    Raises:
        ConfigError: One of them does not take what was asked.
    """
    build_optimizer(nn.Linear(1, 1), replace(settings, layer_decay=None))
    Rates(settings, 1).at(0, ())


class Rates:
    """The learning rate and the weight decay of every group at every step.

    Args:
        settings: Whose peak rate, schedule and warmup.
        steps: Of the whole run.

    Raises:
        ConfigError: The schedule does not take what was asked.
    """

    def __init__(self, settings: Settings, steps: int) -> None:
        name, chosen = _parts(settings.scheduler)
        self.schedule = _build(SCHEDULERS, name, **{"warmup": settings.warmup, **chosen})
        self._lr, self._epochs, self._steps = settings.lr, settings.epochs, steps
        self._decays = settings.weight_decay, settings.last_weight_decay

    def at(self, step: int, numbers: Sequence[Mapping[str, float | None]]) -> float:
        """The rate of this step.

        Args:
            step: Steps done.
            numbers: What validation measured after each epoch so far.
        """
        if isinstance(self.schedule, Schedule):
            factor = self.schedule(step, self._steps, epochs=self._epochs, lr=self._lr, numbers=numbers)
        else:
            factor = self.schedule(step, self._steps)
        return self._lr * float(factor)

    def decay_at(self, step: int) -> float | None:
        """The weight decay of this step, on half a cosine from the first to the last; ``None`` where it is constant."""
        first, last = self._decays
        if last is None:
            return None
        return first + (last - first) * 0.5 * (1 - math.cos(math.pi * min(1.0, step / max(1, self._steps))))

    @staticmethod
    def apply(optimizer: torch.optim.Optimizer, rate: float, decay: float | None = None) -> None:
        """Set the rate, each group by its own scale, and the decay of groups that have one, where it changes."""
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get(_SCALE, 1.0)
            if decay is not None and group.get(_RAMP) and "weight_decay" in group:
                group["weight_decay"] = decay


def _parameter_groups(learner: nn.Module, settings: Settings) -> list[dict[str, Any]]:
    trained = {name: p for name, p in learner.named_parameters() if p.requires_grad}
    if not trained:
        raise RunError("nothing to train: every parameter is frozen")
    scales = None if settings.layer_decay is None else layer_scales(learner, settings.layer_decay)
    groups: list[dict[str, Any]] = []
    for scale in [1.0] if scales is None else sorted({scales[name] for name in trained}):
        here = [p for name, p in trained.items() if scales is None or scales[name] == scale]
        own = {} if scales is None else {_SCALE: scale}
        ramp = {} if settings.last_weight_decay is None else {_RAMP: True}
        if settings.decay_all:
            groups.append({"params": here, "weight_decay": settings.weight_decay, **own, **ramp})
            continue
        for decay, ramps, some in (
            (settings.weight_decay, ramp, [p for p in here if p.ndim > 1]),
            (0.0, {}, [p for p in here if p.ndim <= 1]),
        ):
            if some or scales is None:
                groups.append({"params": some, "weight_decay": decay, **own, **ramps})
    return groups


def _parts(spec: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if isinstance(spec, str):
        return spec, {}
    return spec["name"], {word: value for word, value in spec.items() if word not in ("name", "kind")}


def _build(registry: Registry[Any], name: str, **words: Any) -> Any:
    try:
        return registry.build({"name": name}, **words) if registry is OPTIMIZERS else registry.build({"name": name, **words})
    except (TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        taken = [word for word in inspect.signature(registry.get(name)).parameters if word not in _OF_THE_RUN]
        raise ConfigError(
            f"{registry.kind}: {name!r} cannot be built: {str(error).rpartition('() ')[2]}; its arguments are {', '.join(taken)}"
        ) from error
