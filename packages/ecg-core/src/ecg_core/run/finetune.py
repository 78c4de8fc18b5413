"""Finetune: a backbone (pre-trained, or new) and a head learn to answer a question from labels."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.lazy import materialize
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.task import Task
from ecg_core.data.store import Store
from ecg_core.discovery.provenance import provenance
from ecg_core.discovery.registries import BACKBONES, HEADS, LOSSES, MODELS
from ecg_core.errors import ConfigError, DataError, RunError
from ecg_core.evaluation.metrics import auroc, macro
from ecg_core.run.card import SignalContract, load_card, save_model
from ecg_core.run.directory import RunDirectory, check_packages
from ecg_core.run.optimization import check_optimization
from ecg_core.run.order import Batches, store_batches
from ecg_core.run.probe import FrozenProbe
from ecg_core.run.run import Run
from ecg_core.run.scoring import score_windows
from ecg_core.run.settings import Settings

__all__ = ["finetune"]

Mode = Literal["linear", "full"]

# Adam on a linear layer over standardised features needs no small steps; a whole network does.
_RECIPES: Mapping[str, Recipe] = {
    "linear": Recipe(lr=1e-2, lr_batch=0, weight_decay=1e-2, warmup=0.0),
    "full": Recipe(lr=1e-3, lr_batch=0, weight_decay=0.05, warmup=0.1, clip=1.0),
}
_EPOCHS: Mapping[str, int] = {"linear": 100, "full": 30}


def finetune(
    data: str | Path | Store,
    out: str | Path,
    *,
    target: str,
    source: str | Path | None = None,
    backbone: str | Mapping[str, Any] | None = None,
    mode: Mode = "full",
    head: str | Mapping[str, Any] | None = None,
    model: str | Mapping[str, Any] = "classifier",
    problem: Literal["multi_label", "multi_class"] = "multi_label",
    augment: Sequence[str | Mapping[str, Any]] = (),
    loss: str | Mapping[str, Any] | nn.Module | None = None,
    epochs: int | None = None,
    batch_size: int = 64,
    lr: float | None = None,
    optimizer: str | Mapping[str, Any] = "adamw",
    scheduler: str | Mapping[str, Any] = "warmup_cosine",
    layer_decay: float | None = None,
    precision: Literal["fp32", "bf16"] = "fp32",
    device: str = "auto",
    seed: int = 0,
    force: bool = False,
    resume: bool = False,
) -> RunDirectory:
    """Train a classifier; the epoch with the best macro AUROC on the validation patients is kept.

    Args:
        data: A store, or its folder. Of the store that ``source`` was trained on, the fold of that run is taken.
        out: Run directory to write.
        target: Which target of the store to predict. Windows without a label for it take no part.
        source: Run directory (or card) whose backbone to start from.
        backbone: Or a new backbone, by name or configuration: supervised from scratch, and with ``mode="linear"`` the
            random encoder that every frozen one has to beat. A model that was published as a whole needs neither.
        mode: ``"linear"``: only the head learns; the backbone is frozen, normalisation statistics included, and run once.
            ``"full"``: everything learns.
        head: Name or configuration of a head; ``None`` means the model's own, or a linear one, over standardised embeddings
            where they are frozen.
        model: Name or configuration of the task that backbone and head answer; ``"classifier"`` unless given.
        problem: Any number of classes per recording, or exactly one. For models that take the word.
        augment: Transforms applied to training batches (``mode="full"``). For models that take the word.
        loss: What is minimised: name or configuration of a loss, or one that a registry built; ``None`` for the model's own,
            cross-entropy. For models that take the word ``loss_function``.
        epochs: ``None`` means 100 for ``linear`` and 30 for ``full``.
        batch_size: Windows per step.
        lr: ``None`` means 1e-2 for ``linear`` and 1e-3 for ``full``.
        optimizer: Name or configuration of an optimizer.
        scheduler: Name or configuration of a schedule.
        layer_decay: Rate of a layer of the backbone over that of the next one, such as 0.75 (``mode="full"``).
        precision: ``"fp32"`` or ``"bf16"``.
        device: ``"auto"`` takes a GPU if there is one.
        seed: Of everything random.
        force: Replace an existing run.
        resume: Go on from the newest checkpoint.

    Returns:
        The run directory; ``model.json`` and ``model.safetensors`` in it are the product.
    """
    given = (source is not None) + (backbone is not None)
    if given > 1 or (not given and not _brings(model, "backbone")):
        raise ConfigError("give either --from RUN (a pre-trained backbone) or --backbone NAME (a new one)")
    if mode not in _RECIPES:
        raise ConfigError(f"mode must be one of {', '.join(_RECIPES)}, got {mode!r}")
    if mode == "linear" and augment:
        raise ConfigError("mode=linear runs the frozen backbone once, so it takes no augment; use mode=full")
    if mode == "linear" and layer_decay is not None:
        raise ConfigError("mode=linear leaves every layer of the backbone as it is, so it takes no layer_decay; use mode=full")
    check_packages(Path(out), resume=resume and not force)
    store = data if isinstance(data, Store) else Store(data)
    if source is not None and (run_of := _run_of(Path(source))) is not None:
        store = store.as_divided_for(run_of.facts["data"], run_of.path)
    train, val = store.indices("train", target=target), store.indices("val", target=target)
    classes = store.classes(target)
    if len(classes) < 2:
        raise DataError(f"target {target!r} has {len(classes)} class(es) in the training split; at least two are needed")
    settings = Settings.from_recipe(
        _RECIPES[mode],
        lr=lr,
        batch_size=batch_size,
        epochs=_EPOCHS[mode] if epochs is None else epochs,
        precision=precision,
        device=device,
        seed=seed,
        optimizer=optimizer,
        scheduler=scheduler,
        layer_decay=layer_decay,
    ).resolved()
    check_optimization(settings)
    if head is None and not _brings(model, "head"):
        head = {"name": "linear", "normalise": mode == "linear"}
    task = build_task(store, source, backbone, head, classes, model=model, problem=problem, augment=augment, loss=loss, seed=seed)
    if task.per_step:
        raise ConfigError(
            f"{type(task).__name__} labels every sample, and a store holds labels of whole recordings; train it in Python on "
            "batches with step_targets, or choose a model of windows"
        )
    if mode == "linear" and type(task).scores is not Task.scores:
        raise ConfigError(
            f"mode=linear trains a head on frozen embeddings, and {type(task).__name__} has layers of its own before its head; "
            "use mode=full"
        )
    task = task.to(settings.device)
    signal = SignalContract.of(store)
    config = MODELS.to_config(task)
    run = RunDirectory.create(
        Path(out),
        kind="finetune",
        config=config,
        settings=settings,
        store=store,
        force=force,
        resume=resume,
        provenance=provenance("models", config),
        target=target,
        mode=mode,
        source=None if source is None else str(source),
    )
    learner: Task | FrozenProbe
    if mode == "linear":
        learner = probe = FrozenProbe.of(task, store, target, train, val, device=settings.device)
        batches = Batches(range(len(train)), batch_size, lambda chosen, epoch: probe.batch(chosen), seed=seed)
    else:
        learner = task
        batches = store_batches(store, train, batch_size, device=settings.device, seed=seed, target=target, classes=classes)

    def save() -> None:
        save_model(run.path, "model", task, kind="models", signal=signal, classes=list(classes), target=target, mode=mode)

    def validate() -> Mapping[str, float]:
        targets = store.target_matrix(target, classes, val)
        scores = learner.held_out() if isinstance(learner, FrozenProbe) else score_windows(task, store, val, settings.device)
        return {"val_auroc": macro(auroc(targets, scores)).value}

    training = Run(
        run.path,
        learner,
        batches,
        settings,
        validate=validate if len(val) else None,
        monitor="val_auroc" if len(val) else None,
        on_best=save,
        title=f"finetune {mode}",
    )
    end = training.fit(resume=resume)
    if end["best_epoch"] is None:  # no class of the validation split could be scored
        save()
    run.finish(steps=end["step"], epochs=end["epoch"], best_epoch=end["best_epoch"], val_auroc=end["best"], windows=len(train))
    return run


def build_task(
    store: Store,
    source: str | Path | None,
    backbone: str | Mapping[str, Any] | None,
    head: str | Mapping[str, Any] | None,
    classes: Sequence[str],
    *,
    model: str | Mapping[str, Any] = "classifier",
    problem: Literal["multi_label", "multi_class"] = "multi_label",
    augment: Sequence[str | Mapping[str, Any]] = (),
    loss: str | Mapping[str, Any] | nn.Module | None = None,
    seed: int,
) -> Task:
    """The backbone of ``source``, a new one or the model's own, under a new head or its own, every size known."""
    # Only what was asked for: a model whose question has no such word refuses it, and is not given it otherwise.
    options: dict[str, Any] = {} if problem == "multi_label" else {"problem": problem}
    if augment:
        options["augment"] = Compose.from_config(augment)
    if loss is not None:
        options["loss_function"] = loss if isinstance(loss, nn.Module) else LOSSES.build(loss)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if source is not None:
            options["backbone"] = _pretrained(Path(source), store)
        elif backbone is not None:
            options["backbone"] = BACKBONES.build(backbone, in_leads=len(store.leads))
        if head is not None:
            options["head"] = HEADS.build(head, classes=len(classes))
        task = MODELS.build(model, classes=classes, **options)
    return materialize(task, torch.zeros(2, len(store.leads), store.n_samples), seed=seed)


def _brings(model: str | Mapping[str, Any], part: str) -> bool:
    """Whether the model was published with this part, so that it may be left out."""
    name = model if isinstance(model, str) else model["name"]
    parameters = inspect.signature(MODELS.get(name)).parameters
    own = part in parameters and parameters[part].default is not inspect.Parameter.empty
    return own or (not isinstance(model, str) and part in model)


def _run_of(source: Path) -> RunDirectory | None:
    """The run that a run directory or a card in one belongs to; a card by itself belongs to none."""
    folder = source.parent if source.suffix == ".json" else source
    return RunDirectory(folder) if source == folder or (folder / "run.json").is_file() else None


def _pretrained(source: Path, store: Store) -> Backbone:
    card = load_card(source if source.suffix == ".json" else RunDirectory(source).card)
    card.signal.check(store, source)
    module = card.build()
    found = module.backbone if isinstance(module, Task) else module
    if not isinstance(found, Backbone):
        raise RunError(
            f"{source} holds a {type(found).__name__}, not a backbone; give the --out of `ecg pretrain` or `ecg finetune`"
        )
    return found
