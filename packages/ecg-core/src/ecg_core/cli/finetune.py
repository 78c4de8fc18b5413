"""``ecg finetune``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ecg_core.cli.interruption import resumable
from ecg_core.cli.output import next_command, shell_path, tell
from ecg_core.cli.spec import component, components


def finetune(
    data: Path,
    /,
    *,
    target: str,
    out: Path,
    source: Annotated[Path | None, Parameter(name="--from")] = None,
    backbone: str | None = None,
    protocol: Literal["merl_v1", "strodthoff"] | None = None,
    mode: Literal["linear", "lora", "partial", "full"] | None = None,
    rank: int | None = None,
    alpha: float | None = None,
    stages: int | None = None,
    unfreeze: Literal["gradual"] | None = None,
    unfreeze_every: int | None = None,
    norm: Literal["train", "frozen"] | None = None,
    fraction: float | None = None,
    shots: int | None = None,
    crops: int | None = None,
    crop_seconds: float | None = None,
    crop_answer: Literal["mean", "max"] | None = None,
    head: str | None = None,
    model: str | None = None,
    problem: Literal["multi_label", "multi_class", "regression"] = "multi_label",
    augment: str = "",
    loss: str | None = None,
    class_weight: Literal["balanced", "sqrt"] | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    optimizer: str | None = None,
    scheduler: str | None = None,
    layer_decay: float | None = None,
    precision: Literal["fp32", "bf16"] = "fp32",
    device: str = "auto",
    fold: int | None = None,
    seed: int = 0,
    log: Literal["tensorboard"] | None = None,
    force: bool = False,
    resume: bool = False,
) -> None:
    """Train a classifier, or a model of numbers, on a pre-trained or new backbone.

    Args:
        data: Prepared store.
        target: What to predict: a target column of the store.
        out: Run directory to write.
        source: Whose backbone to start from: a run, a card, weights beside a card, a folder of `ecg weights import`, or a model
            of the hub (hf://owner/name).
        backbone: Or a new backbone, by name, as JSON or a file (.json, .toml, .yaml): supervised from scratch.
        protocol: How papers train and judge on PTB-XL, for every option that is not given: strodthoff (from scratch) or merl_v1
            (a linear probe of --from).
        mode: linear: only the head learns. lora: low-rank adapters too. partial: the last stages too. full: everything; full
            unless given.
        rank: Of the adapters of --mode lora; 8 unless given.
        alpha: alpha / rank scales what the adapters add; the rank unless given.
        stages: How many of the backbone's last stages learn in --mode partial.
        unfreeze: gradual: the head first, then one stage more after every epoch.
        unfreeze_every: Or after every so many epochs.
        norm: frozen: running statistics of the backbone stay (unless given, with lora); train: they follow the batches.
        fraction: Learn from this share of the training patients, such as 0.01; --seed draws them.
        shots: Learn from this many windows of each class; --seed draws them.
        crops: Learn from crops as long as the windows of the pre-training, and answer by the mean over this many of them.
        crop_seconds: Or from crops of this length.
        crop_answer: max: answer by the largest probability of each class.
        head: Head, by name, as JSON or a file; linear unless given.
        model: What is asked of them, by name (`ecg plugins list --kind models`), as JSON or a file; classifier, or regressor
            of numbers, unless given.
        problem: multi_label, multi_class, or regression for a target of numbers.
        augment: Augmentations for training batches: names with commas between, a JSON list or a file of one.
        loss: What is minimised, by name (`ecg plugins list --kind losses`), as JSON or a file; cross-entropy unless given.
        class_weight: Rare classes count more in the cross-entropy. balanced: by the inverse number of their examples; sqrt: by
            the root of it.
        epochs: 100 for linear and 30 for the others unless given.
        batch_size: Windows per step; 64 unless given.
        lr: 1e-2 for linear and lora, and 1e-3 for the others unless given.
        optimizer: By name (`ecg plugins list --kind optimizers`), as JSON or a file; adamw unless given.
        scheduler: How the learning rate goes, by name (`ecg plugins list --kind schedulers`), as JSON or a file; warmup_cosine
            unless given.
        layer_decay: Rate of each layer of the backbone over that of the next one, such as 0.75; not with --mode linear.
        precision: fp32 or bf16.
        device: cpu, cuda, …; a GPU if there is one.
        fold: Of a store prepared in folds, the one that tests; the last unless given.
        seed: Of everything random.
        log: tensorboard: curves too, for `tensorboard --logdir`; of every run where ECG_LOG says so.
        force: Replace an existing run.
        resume: Go on from the newest checkpoint.
    """
    from ecg_core.data.store import Store
    from ecg_core.run.log import log_of_shell
    from ecg_core.run.training.finetune import finetune as train
    from ecg_core.run.training.protocols import protocol_sentences

    log = log or log_of_shell()
    with resumable(out):
        run = train(
            Store(data, fold=fold),
            out,
            target=target,
            source=source,
            backbone=None if backbone is None else component(backbone),
            protocol=protocol,
            mode=mode,
            rank=rank,
            alpha=alpha,
            stages=stages,
            unfreeze=unfreeze,
            unfreeze_every=unfreeze_every,
            norm=norm,
            fraction=fraction,
            shots=shots,
            crops=crops,
            crop_seconds=crop_seconds,
            crop_answer=crop_answer,
            head=None if head is None else component(head),
            model=None if model is None else component(model),
            problem=problem,
            augment=components(augment),
            loss=None if loss is None else component(loss),
            class_weight=class_weight,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            optimizer=None if optimizer is None else component(optimizer),
            scheduler=None if scheduler is None else component(scheduler),
            layer_decay=layer_decay,
            precision=precision,
            device=device,
            seed=seed,
            log=log,
            force=force,
            resume=resume,
        )
    monitor = run.facts["monitor"]
    best, number = run.facts[monitor], {"val_auroc": "macro AUROC", "val_r2": "R²", "val_f1": "macro F1 of samples"}[monitor]
    score = (
        "no validation patients" if best is None else f"best validation {number} {best:.3f} in epoch {run.facts['best_epoch']}"
    )
    tell(f"fine-tuned ({run.facts['mode']}) on {run.facts['windows']} labelled windows: {score}, in {out}")
    if empty := [name for name, count in run.facts.get("examples", {}).items() if not count]:
        tell(f"no example of {', '.join(empty)} was among them; take more patients to learn of it")
    for sentence in protocol_sentences(run.facts.get("protocol")):
        tell(sentence)
    page = f" --html {shell_path(out / 'report.html')}" if monitor == "val_auroc" else ""  # in pictures: classes of recordings
    if log == "tensorboard":
        tell(f"curves: tensorboard --logdir {shell_path(out)}")
    next_command(f"ecg evaluate {shell_path(out)} --split test{page}")
