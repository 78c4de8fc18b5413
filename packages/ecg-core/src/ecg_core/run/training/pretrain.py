"""Pretrain: teach a backbone from the recordings of a store, without labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.lazy import materialize
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.data.store import Store
from ecg_core.discovery.provenance import provenance
from ecg_core.discovery.registries import BACKBONES, SSL
from ecg_core.run.card import SignalContract, save_model
from ecg_core.run.directory import RunDirectory, check_packages
from ecg_core.run.groups import store_groups
from ecg_core.run.log import Log, check_log
from ecg_core.run.optimization.optimization import check_optimization
from ecg_core.run.order import store_batches
from ecg_core.run.run import Run
from ecg_core.run.settings import Settings
from ecg_core.run.training.monitor import Monitor

__all__ = ["pretrain"]


def pretrain(
    data: str | Path | Store,
    out: str | Path,
    *,
    method: str | Mapping[str, Any] = "st_mem",
    backbone: str | Mapping[str, Any] = "vit_tiny",
    epochs: int = 50,
    batch_size: int = 64,
    lr: float | None = None,
    optimizer: str | Mapping[str, Any] = "adamw",
    scheduler: str | Mapping[str, Any] = "warmup_cosine",
    precision: Literal["fp32", "bf16"] = "fp32",
    device: str = "auto",
    seed: int = 0,
    checkpoint_every: int = 0,
    monitor: str | None = None,
    log: Log | None = None,
    force: bool = False,
    resume: bool = False,
) -> RunDirectory:
    """Train an SSL method on the training split of a store; no label is ever learned from.

    After every epoch ``metrics.jsonl`` gets the loss on the validation windows and how well the backbone's features still
    tell them apart: ``embedding_std``, ``rankme``, ``participation_ratio``, ``alpha_req``, ``uniformity``, and the method's own
    gauges.

    Args:
        data: A store, or its folder.
        out: Run directory to write.
        method: Name or configuration of an SSL method.
        backbone: Name or configuration of a backbone; its number of leads is the store's.
        epochs: Passes over the training windows.
        batch_size: Windows per step.
        lr: Peak learning rate; ``None`` takes the method's recipe.
        optimizer: Name or configuration of an optimizer.
        scheduler: Name or configuration of a schedule.
        precision: ``"fp32"`` or ``"bf16"``.
        device: ``"auto"`` takes a GPU if there is one.
        seed: Of everything random.
        checkpoint_every: Steps between checkpoints, beside the one after every epoch.
        monitor: A target of the store: ``knn_auroc`` and ``probe_auroc`` of its classes on the validation windows are logged too.
        log: ``"tensorboard"``: curves too, in the run's ``tensorboard/``.
        force: Replace an existing run.
        resume: Go on from the newest checkpoint.

    Returns:
        The run directory; ``backbone.json`` and ``backbone.safetensors`` in it are the product.
    """
    check_log(log)
    check_packages(Path(out), resume=resume and not force)
    store = data if isinstance(data, Store) else Store(data)
    learner = build_method(method, backbone, in_leads=len(store.leads), seed=seed)
    settings = Settings.from_recipe(
        learner.recipe,
        lr=lr,
        batch_size=batch_size,
        epochs=epochs,
        precision=precision,
        device=device,
        seed=seed,
        checkpoint_every=checkpoint_every,
        optimizer=optimizer,
        scheduler=scheduler,
    ).resolved()
    check_optimization(settings)
    train, val = store.indices("train"), store.indices("val")
    batches = store_batches(store, train, batch_size, device=settings.device, seed=seed, grouping=learner.grouping)
    learner.check_requirements(batches.get(0, 0))
    # Whatever is still lazy takes its size from one batch, before an optimizer or a checkpoint sees it.
    materialize(learner, batches.get(0, 0).to("cpu"), call=learner.loss, seed=seed)
    learner.to(settings.device)
    learner.plan(epochs * len(batches))
    signal = SignalContract.of(store)
    config = SSL.to_config(learner)
    run = RunDirectory.create(
        Path(out),
        kind="pretrain",
        config=config,
        settings=settings,
        store=store,
        force=force,
        resume=resume,
        provenance=provenance("ssl", config),
    )

    def save() -> None:
        save_model(run.path, "backbone", learner.product, kind="backbones", signal=signal, method=config["name"])

    watch = Monitor(learner.product, store, device=settings.device, target=monitor)
    before = watch()

    def validate() -> Mapping[str, float]:
        # The same masks and views at every epoch, so that the numbers can be compared.
        held_out = store_batches(store, val, batch_size, device=settings.device, seed=seed, grouping=learner.grouping)
        values = [float(learner.loss(held_out.get(0, number)).total) for number in range(len(held_out))]
        return {"val_loss": float(np.mean(values)), **watch(), **learner.gauges()}

    training = Run(
        run.path,
        learner,
        batches,
        settings,
        validate=validate if _enough(store, val, learner) else None,
        on_best=save,
        log=log,
        title=f"pretrain {config['name']}",
    )
    end = training.fit(resume=resume)
    run.finish(steps=end["step"], epochs=end["epoch"], windows=len(train), gauges_before=before)
    return run


def _enough(store: Store, val: np.ndarray, learner: SSLMethod) -> bool:
    """Whether there is something to validate with: windows to compare, of two patients where the method compares patients."""
    if learner.grouping is None or len(val) < 2:
        return len(val) > 1
    return store_groups(store, val, learner.grouping).count > 1


def build_method(method: str | Mapping[str, Any], backbone: str | Mapping[str, Any], *, in_leads: int, seed: int) -> SSLMethod:
    """The method around a new backbone; initial weights follow from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built: Backbone = BACKBONES.build(backbone, in_leads=in_leads)
        return SSL.build(method, backbone=built)
