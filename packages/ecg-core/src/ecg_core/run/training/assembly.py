"""Assembly: backbone, head and question become a task, every size known."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ecg_core.contracts.compose import Compose
from ecg_core.contracts.lazy import materialize
from ecg_core.contracts.task import Task
from ecg_core.data.store import Store
from ecg_core.discovery.registries import BACKBONES, HEADS, LOSSES, MODELS
from ecg_core.errors import ConfigError
from ecg_core.run.training.question import Problem
from ecg_core.run.training.sources import pretrained_backbone

__all__ = ["brings", "build_task", "check_task"]


def build_task(
    store: Store,
    source: str | Path | None,
    backbone: str | Mapping[str, Any] | None,
    head: str | Mapping[str, Any] | None,
    classes: Sequence[str],
    *,
    model: str | Mapping[str, Any] = "classifier",
    problem: Problem = "multi_label",
    augment: Sequence[str | Mapping[str, Any]] = (),
    loss: str | Mapping[str, Any] | nn.Module | None = None,
    samples: int | None = None,
    seed: int,
) -> Task:
    """The backbone of ``source``, a new one or the model's own, under a new head or its own, for windows of ``samples``."""
    # Only what was asked for: a model whose question has no such word refuses it, and is not given it otherwise.
    options: dict[str, Any] = {} if problem in ("multi_label", "regression") else {"problem": problem}
    if augment:
        options["augment"] = Compose.from_config(augment)
    if loss is not None:
        options["loss_function"] = loss if isinstance(loss, nn.Module) else LOSSES.build(loss)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if source is not None:
            options["backbone"] = pretrained_backbone(Path(source), store, samples=samples)
        elif backbone is not None:
            options["backbone"] = BACKBONES.build(backbone, in_leads=len(store.leads))
        if head is not None:
            options["head"] = HEADS.build(head, classes=len(classes))
        task = MODELS.build(model, classes=classes, **options)
    return materialize(task, torch.zeros(2, len(store.leads), samples or store.n_samples), seed=seed)


def brings(model: str | Mapping[str, Any], part: str) -> bool:
    """Whether the model was published with this part, so that it may be left out."""
    name = model if isinstance(model, str) else model["name"]
    parameters = inspect.signature(MODELS.get(name)).parameters
    own = part in parameters and parameters[part].default is not inspect.Parameter.empty
    return own or (not isinstance(model, str) and part in model)


def check_task(task: Task, mode: str) -> None:
    """One clear error for a task that cannot be trained on embeddings of a frozen backbone.

    Raises:
        ConfigError: With ``mode="linear"`` it labels samples, or has layers of its own that would be left out.
    """
    if task.per_step and mode == "linear":
        raise ConfigError(
            f"{type(task).__name__} labels every sample, and mode=linear trains on pooled embeddings; use mode=lora"
        )
    if mode == "linear" and type(task).scores is not Task.scores:
        raise ConfigError(
            f"mode=linear trains a head on frozen embeddings, and {type(task).__name__} has layers of its own before its head; "
            "use mode=full"
        )
