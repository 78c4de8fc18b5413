"""Adapting: a task that learns with part of its backbone frozen, parameters, statistics and dropout alike."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import nn

from ecg_core.adaptation.adaptation import Adaptation
from ecg_core.adaptation.depth import parameters_of, stages_of
from ecg_core.adaptation.low_rank import add_low_rank
from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.task import Task
from ecg_core.errors import ConfigError

__all__ = ["Adapting", "trained_parameters"]


class Adapting(nn.Module):
    """A task as a learner of which some parts hold still.

    A frozen stage has no gradient and is in evaluation mode: its normalisations use, and keep, the statistics of pre-training,
    and it drops nothing out. Which stages are frozen is a function of the steps done, which a checkpoint holds.

    Args:
        task: Materialised; with ``mode="lora"`` its backbone is given adapters in place.
        adaptation: What learns; not ``"linear"``, for which :class:`ecg_core.run.training.probe.FrozenProbe` runs the backbone
            once.
        steps_per_epoch: Of the training.
        seed: Of the adapters.

    Raises:
        ConfigError: The backbone has fewer stages, or no layer for an adapter.
    """

    steps: torch.Tensor

    def __init__(self, task: Task, adaptation: Adaptation, *, steps_per_epoch: int, seed: int = 0) -> None:
        super().__init__()
        self.task = task
        self.adaptation = adaptation
        self.steps_per_epoch = steps_per_epoch
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self._stages = stages_of(task.backbone)
        names = [parameters_of(task.backbone, part, first=not number) for number, part in enumerate(self._stages)]
        if adaptation.stages is not None and adaptation.stages > len(self._stages):
            raise ConfigError(
                f"stages={adaptation.stages}, and {type(task.backbone).__name__} has {len(self._stages)}: "
                f"{', '.join(_title(part) for part in self._stages)}; say that many or fewer"
            )
        if adaptation.mode == "lora":
            add_low_rank(task.backbone, rank=adaptation.rank or 8, alpha=adaptation.alpha, seed=seed)
            self._parameters_of: list[list[nn.Parameter]] = [[] for _ in self._stages]  # all but the adapters stays frozen
        else:
            known = dict(task.backbone.named_parameters())
            self._parameters_of = [[known[name] for name in sorted(part)] for part in names]
            for part in self._parameters_of[: -adaptation.stages] if adaptation.stages else []:
                for parameter in part:
                    parameter.requires_grad_(False)

    @property
    def backbone(self) -> Backbone:
        """The task's own; layers have rates of their own by it."""
        return self.task.backbone

    @property
    def open_stages(self) -> int:
        """How many of the last stages learn now; with adapters all of them are in training mode."""
        every = len(self._stages) if self.adaptation.stages is None else self.adaptation.stages
        if self.adaptation.unfreeze is None:
            return every
        return min(every, int(self.steps) // self.steps_per_epoch // (self.adaptation.unfreeze_every or 1))

    def train(self, mode: bool = True) -> Self:
        """Training mode for what learns now, evaluation mode for what holds still."""
        super().train(mode)
        if mode:
            frozen = len(self._stages) - self.open_stages
            for number, (part, parameters) in enumerate(zip(self._stages, self._parameters_of, strict=True)):
                for parameter in parameters:
                    parameter.requires_grad_(number >= frozen)
                if number < frozen:
                    for _, module in part:
                        module.eval()
            if frozen == len(self._stages):
                self.task.backbone.eval()
            elif self.adaptation.keeps_statistics:
                _hold_statistics(self.task.backbone)
        return self

    def loss(self, batch: Any) -> Losses:
        """The task's."""
        return self.task.loss(batch)

    def after_step(self) -> None:
        """Count it."""
        self.task.after_step()
        self.steps += 1


def trained_parameters(learner: nn.Module) -> int:
    """How many numbers a training may move, adapters included, before it has begun."""
    return sum(p.numel() for p in learner.parameters() if p.requires_grad)


def _hold_statistics(backbone: nn.Module) -> None:
    for module in backbone.modules():
        if "running_mean" in dict(module.named_buffers(recurse=False)):
            module.eval()


def _title(part: list[tuple[str, nn.Module]]) -> str:
    return part[0][0] if len(part) == 1 else f"{part[0][0]} … {part[-1][0]}" if part else "its own parameters"
