"""The core of the ECG toolkit: registries, contracts, data and the run. Importing it loads neither torch nor numpy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ecg_core.config.configurable import Configurable, Variant
    from ecg_core.config.files import load_config, save_config
    from ecg_core.contracts.backbone import Backbone, Stage
    from ecg_core.contracts.compose import Compose
    from ecg_core.contracts.draws import Draws
    from ecg_core.contracts.grouping import Grouping
    from ecg_core.contracts.head import Head
    from ecg_core.contracts.lazy import materialize
    from ecg_core.contracts.losses import Losses
    from ecg_core.contracts.mixing import MixingTransform
    from ecg_core.contracts.random_transform import RandomTransform
    from ecg_core.contracts.schedule import Moment, Schedule
    from ecg_core.contracts.ssl import SSLMethod
    from ecg_core.contracts.streaming import Stream, stream
    from ecg_core.contracts.task import Task
    from ecg_core.contracts.tokens import TokenBackbone
    from ecg_core.contracts.transform import Transform
    from ecg_core.data.batch import Batch
    from ecg_core.data.prepare import prepare
    from ecg_core.data.quality import einthoven_error, quality_flags
    from ecg_core.data.r_peaks import detect_r_peaks, heart_rate
    from ecg_core.data.reader import Reader
    from ecg_core.data.record import Record
    from ecg_core.data.store import Store
    from ecg_core.data.table import RecordTable
    from ecg_core.discovery.hooks import Alias, Diagnostic, RunEvent, hookimpl
    from ecg_core.discovery.index import get_index, refresh
    from ecg_core.discovery.manager import plugin_manager
    from ecg_core.discovery.registries import (
        ATTN_LAYERS,
        BACKBONES,
        COMMANDS,
        HEADS,
        LOSSES,
        MODELS,
        OPTIMIZERS,
        READERS,
        SCHEDULERS,
        SSL,
        TRANSFORMS,
        register_backbone,
        register_head,
        register_model,
        register_reader,
        register_ssl,
        register_transform,
    )
    from ecg_core.estimators.classifier import ECGClassifier
    from ecg_core.estimators.embedder import ECGEmbedder
    from ecg_core.hub.pretrained import save_pretrained
    from ecg_core.hub.push import push
    from ecg_core.run.create import create_backbone, create_head, create_ssl, create_transform
    from ecg_core.run.demo import demo
    from ecg_core.run.doctor import doctor
    from ecg_core.run.inference.embed import embed
    from ecg_core.run.inference.explain import explain
    from ecg_core.run.inference.export import export
    from ecg_core.run.inference.exported import Exported
    from ecg_core.run.inference.predict import predict
    from ecg_core.run.load import load
    from ecg_core.run.run import Run
    from ecg_core.run.scoring.evaluate import evaluate
    from ecg_core.run.training.finetune import finetune
    from ecg_core.run.training.pretrain import pretrain

# PEP 562: each public name and the module that defines it.
_WHERE = {
    "config.configurable": ("Configurable", "Variant"),
    "config.files": ("load_config", "save_config"),
    "contracts.backbone": ("Backbone", "Stage"),
    "contracts.compose": ("Compose",),
    "contracts.draws": ("Draws",),
    "contracts.grouping": ("Grouping",),
    "contracts.head": ("Head",),
    "contracts.lazy": ("materialize",),
    "contracts.losses": ("Losses",),
    "contracts.mixing": ("MixingTransform",),
    "contracts.schedule": ("Moment", "Schedule"),
    "contracts.ssl": ("SSLMethod",),
    "contracts.streaming": ("Stream", "stream"),
    "contracts.task": ("Task",),
    "contracts.tokens": ("TokenBackbone",),
    "contracts.random_transform": ("RandomTransform",),
    "contracts.transform": ("Transform",),
    "data.batch": ("Batch",),
    "data.prepare": ("prepare",),
    "data.quality": ("einthoven_error", "quality_flags"),
    "data.r_peaks": ("detect_r_peaks", "heart_rate"),
    "data.reader": ("Reader",),
    "data.record": ("Record",),
    "data.store": ("Store",),
    "data.table": ("RecordTable",),
    "discovery.hooks": ("Alias", "Diagnostic", "RunEvent", "hookimpl"),
    "discovery.index": ("get_index", "refresh"),
    "discovery.manager": ("plugin_manager",),
    "discovery.registries": (
        "ATTN_LAYERS", "BACKBONES", "COMMANDS", "HEADS", "LOSSES", "MODELS", "OPTIMIZERS", "READERS", "SCHEDULERS",
        "SSL", "TRANSFORMS", "register_backbone", "register_head", "register_model", "register_reader", "register_ssl",
        "register_transform",
    ),
    "estimators.classifier": ("ECGClassifier",),
    "estimators.embedder": ("ECGEmbedder",),
    "hub.pretrained": ("save_pretrained",),
    "hub.push": ("push",),
    "run.create": ("create_backbone", "create_head", "create_ssl", "create_transform"),
    "run.demo": ("demo",),
    "run.doctor": ("doctor",),
    "run.inference.embed": ("embed",),
    "run.scoring.evaluate": ("evaluate",),
    "run.inference.explain": ("explain",),
    "run.inference.export": ("export",),
    "run.inference.exported": ("Exported",),
    "run.training.finetune": ("finetune",),
    "run.load": ("load",),
    "run.inference.predict": ("predict",),
    "run.training.pretrain": ("pretrain",),
    "run.run": ("Run",),
}  # fmt: skip
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

# In full, because a type checker reads it; a test compares it with the table above.
__all__ = [
    "ATTN_LAYERS", "Alias", "BACKBONES", "Backbone", "Batch", "COMMANDS", "Compose", "Configurable", "Diagnostic", "Draws",
    "ECGClassifier", "ECGEmbedder", "Exported", "Grouping", "HEADS", "Head", "LOSSES", "Losses", "MODELS", "MixingTransform",
    "Moment", "OPTIMIZERS", "READERS", "RandomTransform", "Reader", "Record", "RecordTable", "Run", "RunEvent", "SCHEDULERS",
    "SSL", "SSLMethod", "Schedule", "Stage", "Store", "Stream", "TRANSFORMS", "Task", "TokenBackbone", "Transform", "Variant",
    "create_backbone", "create_head", "create_ssl", "create_transform", "demo", "detect_r_peaks", "doctor", "einthoven_error",
    "embed", "evaluate", "explain", "export", "finetune", "get_index", "heart_rate", "hookimpl", "load", "load_config",
    "materialize", "plugin_manager", "predict", "prepare", "pretrain", "push", "quality_flags", "refresh", "register_backbone",
    "register_head", "register_model", "register_reader", "register_ssl", "register_transform", "save_config",
    "save_pretrained", "stream",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'ecg_core' has no attribute '{name}'")
    if not _MODULE[name].startswith(("config.", "discovery.")):
        from ecg_core.discovery.torch_backends import keep_torch_importable

        keep_torch_importable()
    try:
        value = getattr(import_module(f"ecg_core.{_MODULE[name]}"), name)
    except ModuleNotFoundError as error:
        from ecg_core.errors import missing_extra

        raise missing_extra(error) or error from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_MODULE))
