"""Finetune: a backbone (pre-trained, or new) and a head learn to answer a question from labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from ecg_core.adaptation.adaptation import Adaptation, Mode, Norm
from ecg_core.adaptation.adapting import Adapting, trained_parameters
from ecg_core.adaptation.low_rank import merged, without_low_rank
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.task import CropAnswer, Task
from ecg_core.data.store import Store
from ecg_core.discovery.provenance import provenance
from ecg_core.discovery.registries import MODELS
from ecg_core.errors import ConfigError
from ecg_core.run.card import SignalContract, save_model
from ecg_core.run.directory import RunDirectory, check_packages
from ecg_core.run.from_hub import pinned
from ecg_core.run.inference.window_scores import score_windows
from ecg_core.run.log import Log, check_log
from ecg_core.run.optimization.optimization import check_optimization
from ecg_core.run.order import Batches
from ecg_core.run.run import Run
from ecg_core.run.settings import Settings
from ecg_core.run.training.assembly import brings, build_task, check_task
from ecg_core.run.training.crops import Crops
from ecg_core.run.training.probe import FrozenProbe
from ecg_core.run.training.protocols import ProtocolName, training_protocol
from ecg_core.run.training.question import Problem, Question
from ecg_core.run.training.questions import question_of
from ecg_core.run.training.sources import card_of, run_of
from ecg_core.tasks.class_weight import ClassWeight

__all__ = ["build_task", "finetune"]

# Adam on a linear layer over standardised features needs no small steps, a whole network does; adapters stand between.
_LINEAR = Recipe(lr=1e-2, lr_batch=0, weight_decay=1e-2, warmup=0.0)
_DEEP = Recipe(lr=1e-3, lr_batch=0, weight_decay=0.05, warmup=0.1, clip=1.0)
# Adapters want ten times the rate of the whole network (Schulman et al. 2025, "LoRA without regret").
_RECIPES: Mapping[str, Recipe] = {"linear": _LINEAR, "lora": replace(_DEEP, lr=1e-2), "partial": _DEEP, "full": _DEEP}

_USUAL: Mapping[str, Any] = {"mode": "full", "batch_size": 64, "optimizer": "adamw", "scheduler": "warmup_cosine"}

_EITHER = "give either --from RUN (a pre-trained backbone) or --backbone NAME (a new one)"


def finetune(
    data: str | Path | Store,
    out: str | Path,
    *,
    target: str,
    source: str | Path | None = None,
    backbone: str | Mapping[str, Any] | None = None,
    protocol: ProtocolName | None = None,
    mode: Mode | None = None,
    rank: int | None = None,
    alpha: float | None = None,
    stages: int | None = None,
    unfreeze: Literal["gradual"] | None = None,
    unfreeze_every: int | None = None,
    norm: Norm | None = None,
    fraction: float | None = None,
    shots: int | None = None,
    crops: int | None = None,
    crop_seconds: float | None = None,
    crop_answer: CropAnswer | None = None,
    head: str | Mapping[str, Any] | None = None,
    model: str | Mapping[str, Any] | None = None,
    problem: Problem = "multi_label",
    augment: Sequence[str | Mapping[str, Any]] = (),
    loss: str | Mapping[str, Any] | nn.Module | None = None,
    class_weight: ClassWeight | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    optimizer: str | Mapping[str, Any] | None = None,
    scheduler: str | Mapping[str, Any] | None = None,
    layer_decay: float | None = None,
    precision: Literal["fp32", "bf16"] = "fp32",
    device: str = "auto",
    seed: int = 0,
    log: Log | None = None,
    force: bool = False,
    resume: bool = False,
) -> RunDirectory:
    """Train a model; the epoch with the best macro AUROC (of numbers R², of samples F1) on the validation patients is kept.

    Args:
        data: A store, or its folder. Of the store that ``source`` was trained on, the fold of that run is taken.
        out: Run directory to write.
        target: Which target of the store to predict: a column, or one of its ``step_targets``, which are about every sample.
            Windows without a label for it take no part.
        source: What to start from: a run directory, a card, weights beside their card, what ``ecg weights import``
            wrote, or a model of the hub, ``hf://owner/name[@revision]``.
        backbone: Or a new backbone, by name or configuration: supervised from scratch, and with ``mode="linear"`` the
            random encoder that every frozen one has to beat. A model that was published as a whole needs neither.
        protocol: ``"merl_v1"`` or ``"strodthoff"``: how papers train and judge, for what is not given otherwise; see
            :mod:`ecg_core.run.training.protocols`. What is given wins, and ``run.json`` says so.
        mode: ``"linear"``: only the head learns; the backbone is frozen, normalisation statistics included, and run once.
            ``"lora"``: the head and low-rank adapters on the layers of the backbone. ``"partial"``: the head and the last
            ``stages`` of the backbone. ``"full"``, unless given: everything learns. See
            :class:`ecg_core.adaptation.adaptation.Adaptation`.
        rank: Of the adapters, 8 unless given.
        alpha: ``alpha / rank`` scales what the adapters add; the rank unless given.
        stages: How many of the backbone's last stages learn.
        unfreeze: ``"gradual"``: the head first, then one stage more after every ``unfreeze_every`` epochs.
        unfreeze_every: 1 unless given.
        norm: ``"frozen"``: running statistics of the backbone stay; ``"train"``: they follow the batches.
        fraction: Learn from this share of the training patients, every class among them; ``seed`` draws.
        shots: Learn from this many windows of each class; ``seed`` draws.
        crops: Learn from crops of the store's windows, as long as those of the source's pre-training, and answer for a window
            by the mean over this many of them.
        crop_seconds: Or crops of this length.
        crop_answer: ``"max"``: answer by the largest probability of each class.
        head: Name or configuration of a head; ``None`` means the model's own, or a linear one (of samples: per step), over
            standardised embeddings where they are frozen.
        model: Name or configuration of the task that backbone and head answer; ``"classifier"``, of numbers ``"regressor"``,
            of samples ``"labeller"``, unless given.
        problem: Any number of classes per recording, exactly one, or a number (``"regression"``).
        augment: Transforms applied to training batches (not with ``mode="linear"``). For models that take the word.
        loss: What is minimised: name or configuration of a loss, or one that a registry built; ``None`` for the model's own,
            cross-entropy. For models that take the word ``loss_function``.
        class_weight: Let rare classes count more in the cross-entropy: ``"balanced"`` by the inverse number of their examples,
            ``"sqrt"`` by the root of it (of samples, where those are labelled); see :mod:`ecg_core.tasks.class_weight`.
        epochs: ``None`` means 100 for ``linear`` and 30 for the others.
        batch_size: Windows per step; 64 unless given.
        lr: ``None`` means 1e-2 for ``linear`` and ``lora``, and 1e-3 for the others.
        optimizer: Name or configuration of an optimizer; ``"adamw"`` unless given.
        scheduler: Name or configuration of a schedule; ``"warmup_cosine"`` unless given.
        layer_decay: Rate of a layer of the backbone over that of the next one, such as 0.75 (not with ``mode="linear"``).
        precision: ``"fp32"`` or ``"bf16"``.
        device: ``"auto"`` takes a GPU if there is one.
        seed: Of everything random.
        log: ``"tensorboard"``: curves too, in the run's ``tensorboard/``.
        force: Replace an existing run.
        resume: Go on from the newest checkpoint.

    Returns:
        The run directory; ``model.json`` and ``model.safetensors`` in it are the product, plain weights without adapters.
    """
    if source is not None and backbone is not None:
        raise ConfigError(_EITHER)
    preset = training_protocol(protocol)
    given: dict[str, Any] = {
        "mode": mode, "rank": rank, "alpha": alpha, "stages": stages, "unfreeze": unfreeze, "unfreeze_every": unfreeze_every,
        "norm": norm, "fraction": fraction, "shots": shots, "crops": crops, "crop_seconds": crop_seconds,
        "crop_answer": crop_answer, "head": head, "model": model, "problem": problem, "augment": augment or None, "loss": loss,
        "class_weight": class_weight, "epochs": epochs, "batch_size": batch_size, "lr": lr, "optimizer": optimizer,
        "scheduler": scheduler, "layer_decay": layer_decay, "precision": precision,
    }  # fmt: skip
    given = {word: value for word, value in given.items() if value is not None}
    words = {**_USUAL, **({} if preset is None else preset.values), **given}
    mode, crops, crop_answer = words["mode"], words.get("crops"), words.get("crop_answer")
    chosen = Adaptation(mode, rank, alpha, stages, unfreeze, unfreeze_every, norm)
    linear = mode == "linear"
    if linear and augment:
        raise ConfigError("mode=linear runs the frozen backbone once, so it takes no augment; use mode=full")
    if linear and layer_decay is not None:
        raise ConfigError("mode=linear leaves every layer of the backbone as it is, so it takes no layer_decay; use mode=full")
    check_log(log)
    check_packages(Path(out), resume=resume and not force)
    store = data if isinstance(data, Store) else Store(data)
    began: str | None = None
    if source is not None:
        source, began = pinned(source)
    if source is not None and (before := run_of(Path(source))) is not None:
        store = store.as_divided_for(before.facts["data"], before.path)
    if preset is not None:
        preset.check(store, target)
    question = question_of(store, target, problem)
    model = model or question.model
    if source is None and backbone is None and not brings(model, "backbone"):
        raise ConfigError(_EITHER)
    question.keep_few(fraction=fraction, shots=shots, seed=seed)
    settings = Settings.from_recipe(
        _RECIPES[mode] if preset is None else preset.recipe,
        lr=lr,
        batch_size=words["batch_size"],
        epochs=words.get("epochs", 100 if linear else 30),
        precision=precision,
        device=device,
        seed=seed,
        optimizer=words["optimizer"],
        scheduler=words["scheduler"],
        layer_decay=layer_decay,
    ).resolved()
    check_optimization(settings)
    if head is None and not brings(model, "head"):
        head = words.get("head") or {"name": question.head, **({"normalise": linear} if question.head == "linear" else {})}
    classes = question.classes
    cut = Crops.of(crops, source, store, linear=linear, seconds=words.get("crop_seconds"), answer=crop_answer)
    parts: dict[str, Any] = {"model": model, "problem": problem, "augment": augment, "loss": loss, "seed": seed}
    task = build_task(store, source, backbone, head, classes, samples=None if cut is None else cut.samples, **parts)
    question.prepare(task)
    question.weigh(task, class_weight)
    check_task(task, mode)
    if cut is not None:
        cut.tell(task)
    task = task.to(settings.device)
    answers = "per_step" if task.per_step else problem
    signal, config = SignalContract.of(store, samples=task.crop_samples), MODELS.to_config(task)
    learner, batches = _learner(task, chosen, question, settings)
    batches = batches if cut is None else cut.drawn(batches)
    movable = trained_parameters(learner)
    run = RunDirectory.create(
        Path(out),
        kind="finetune",
        config=config,
        settings=settings,
        store=store,
        force=force,
        resume=resume,
        provenance=provenance("models", config),
        target=question.target,
        problem=answers,
        mode=mode,
        adaptation=chosen.to_dict(),
        few_labels={word: value for word, value in (("fraction", fraction), ("shots", shots)) if value is not None},
        crops=crops,
        crop_answer=crop_answer,
        class_weight=class_weight,
        source=began,
        protocol=None if preset is None else preset.facts(given),
    )
    facts = {"target": question.target, "problem": answers, "mode": mode, "crops": crops, "crop_answer": crop_answer}
    if source is not None and "imported" in (
        beginning := card_of(Path(source)).facts
    ):  # the licence of these weights stays with them
        facts["imported"] = beginning["imported"]

    def save() -> None:
        save_model(run.path, "model", merged(task), kind="models", signal=signal, classes=list(classes), **facts)

    def validate() -> Mapping[str, float]:
        if isinstance(learner, FrozenProbe):
            return question.measure(learner.held_out())
        return question.measure(score_windows(task, store, question.val, settings.device))

    validated = len(question.val) > 0
    training = Run(
        run.path,
        learner,
        batches,
        settings,
        validate=validate if validated else None,
        monitor=question.monitor if validated else None,
        on_best=save,
        log=log,
        title=f"finetune {mode}",
    )
    end = training.fit(resume=resume)
    if end["best_epoch"] is None:  # nothing of the validation split could be scored
        save()
    ended = {"steps": end["step"], "epochs": end["epoch"], "best_epoch": end["best_epoch"]}
    ended |= {"monitor": question.monitor, question.monitor: end["best"]}
    if mode == "lora":
        ended["without_adapter"] = without_low_rank(task.backbone)
    run.finish(**ended, **question.facts(), trained_parameters=movable)
    return run


def _learner(task: Task, chosen: Adaptation, question: Question, settings: Settings) -> tuple[nn.Module, Batches]:
    """What the run trains, with every parameter that will ever learn marked, and what it learns from."""
    size, device, seed = settings.batch_size, settings.device, settings.seed
    if chosen.mode == "linear":
        probe = FrozenProbe.of(
            task, question.store, question.targets(question.train), question.train, question.val, device=device
        )
        return probe, Batches(range(len(question.train)), size, lambda some, epoch: probe.batch(some), seed=seed)
    batches = question.batches(size, device=device, seed=seed)
    if chosen == Adaptation("full") or chosen == Adaptation("full", norm="train"):
        return task, batches
    return Adapting(task, chosen, steps_per_epoch=len(batches), seed=seed), batches
