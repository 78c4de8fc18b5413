"""``ecg pretrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ecg_core.cli.interruption import resumable
from ecg_core.cli.output import next_command, shell_path, tell
from ecg_core.cli.spec import component


def pretrain(
    data: Path,
    /,
    *,
    out: Path,
    method: str = "st_mem",
    backbone: str = "vit_tiny",
    epochs: int = 50,
    batch_size: int = 64,
    lr: float | None = None,
    optimizer: str = "adamw",
    scheduler: str = "warmup_cosine",
    precision: Literal["fp32", "bf16"] = "fp32",
    device: str = "auto",
    fold: int | None = None,
    seed: int = 0,
    checkpoint_every: int = 0,
    monitor: str | None = None,
    log: Literal["tensorboard"] | None = None,
    force: bool = False,
    resume: bool = False,
) -> None:
    """Teach a backbone from unlabelled recordings.

    Args:
        data: Prepared store.
        out: Run directory to write.
        method: SSL method, by name (`ecg plugins list --kind ssl`), as JSON, or a file (.json, .toml, .yaml).
        backbone: Backbone, by name (`ecg plugins list --kind backbones`), as JSON or a file.
        epochs: Passes over the training windows.
        batch_size: Windows per step.
        lr: Peak learning rate; the method's own unless given.
        optimizer: By name (`ecg plugins list --kind optimizers`), as JSON or a file.
        scheduler: How the learning rate goes, by name (`ecg plugins list --kind schedulers`), as JSON or a file.
        precision: fp32 or bf16.
        device: cpu, cuda, …; a GPU if there is one.
        fold: Of a store prepared in folds, the one that tests; the last unless given.
        seed: Of everything random.
        checkpoint_every: Steps between checkpoints, beside the one after every epoch.
        monitor: Target whose classes a k-NN and a linear probe look for after every epoch; nothing is learned from it.
        log: tensorboard: curves too, for `tensorboard --logdir`; of every run where ECG_LOG says so.
        force: Replace an existing run.
        resume: Go on from the newest checkpoint.
    """
    from ecg_core.data.store import Store
    from ecg_core.run.log import log_of_shell
    from ecg_core.run.training.pretrain import pretrain as train

    log = log or log_of_shell()
    with resumable(out):
        run = train(
            Store(data, fold=fold),
            out,
            method=component(method),
            backbone=component(backbone),
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            optimizer=component(optimizer),
            scheduler=component(scheduler),
            precision=precision,
            device=device,
            seed=seed,
            checkpoint_every=checkpoint_every,
            monitor=monitor,
            log=log,
            force=force,
            resume=resume,
        )
    method_name, backbone_name = run.facts["config"]["name"], run.facts["config"]["backbone"]["name"]
    tell(
        f"pre-trained {backbone_name} with {method_name}: "
        f"{run.facts['epochs']} epochs on {run.facts['windows']} windows, in {out}"
    )
    targets = Store(data).targets
    target = targets[0] if targets else "TARGET"
    probe = out.with_name(out.name + "-linear")
    if log == "tensorboard":
        tell(f"curves: tensorboard --logdir {shell_path(out)}")
    next_command(
        f"ecg finetune {shell_path(data)} --from {shell_path(out)} --target {target} --mode linear --out {shell_path(probe)}"
    )
