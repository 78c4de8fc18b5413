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
    mode: Literal["linear", "full"] = "full",
    head: str | None = None,
    model: str = "classifier",
    problem: Literal["multi_label", "multi_class"] = "multi_label",
    augment: str = "",
    loss: str | None = None,
    epochs: int | None = None,
    batch_size: int = 64,
    lr: float | None = None,
    optimizer: str = "adamw",
    scheduler: str = "warmup_cosine",
    layer_decay: float | None = None,
    precision: Literal["fp32", "bf16"] = "fp32",
    device: str = "auto",
    fold: int | None = None,
    seed: int = 0,
    force: bool = False,
    resume: bool = False,
) -> None:
    """Train a classifier on a pre-trained or new backbone.

    Args:
        data: Prepared store.
        target: What to predict: a target column of the store.
        out: Run directory to write.
        source: Run whose backbone to start from.
        backbone: Or a new backbone, by name, as JSON or a file (.json, .toml, .yaml): supervised from scratch.
        mode: linear: only the head learns. full: everything learns.
        head: Head, by name, as JSON or a file; linear unless given.
        model: What is asked of them, by name (`ecg plugins list --kind models`), as JSON or a file.
        problem: multi_label or multi_class.
        augment: Augmentations for training batches: names with commas between, a JSON list or a file of one.
        loss: What is minimised, by name (`ecg plugins list --kind losses`), as JSON or a file; cross-entropy unless given.
        epochs: 100 for linear and 30 for full unless given.
        batch_size: Windows per step.
        lr: 1e-2 for linear and 1e-3 for full unless given.
        optimizer: By name (`ecg plugins list --kind optimizers`), as JSON or a file.
        scheduler: How the learning rate goes, by name (`ecg plugins list --kind schedulers`), as JSON or a file.
        layer_decay: Rate of each layer of the backbone over that of the next one, such as 0.75; with --mode full.
        precision: fp32 or bf16.
        device: cpu, cuda, …; a GPU if there is one.
        fold: Of a store prepared in folds, the one that tests; the last unless given.
        seed: Of everything random.
        force: Replace an existing run.
        resume: Go on from the newest checkpoint.
    """
    from ecg_core.data.store import Store
    from ecg_core.run.finetune import finetune as train

    with resumable(out):
        run = train(
            Store(data, fold=fold),
            out,
            target=target,
            source=source,
            backbone=None if backbone is None else component(backbone),
            mode=mode,
            head=None if head is None else component(head),
            model=component(model),
            problem=problem,
            augment=components(augment),
            loss=None if loss is None else component(loss),
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            optimizer=component(optimizer),
            scheduler=component(scheduler),
            layer_decay=layer_decay,
            precision=precision,
            device=device,
            seed=seed,
            force=force,
            resume=resume,
        )
    best = run.facts["val_auroc"]
    score = (
        "no validation patients" if best is None else f"best validation macro AUROC {best:.3f} in epoch {run.facts['best_epoch']}"
    )
    tell(f"fine-tuned ({mode}) on {run.facts['windows']} labelled windows: {score}, in {out}")
    next_command(f"ecg evaluate {shell_path(out)} --split test --html {shell_path(out / 'report.html')}")
