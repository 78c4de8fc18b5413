"""The registries themselves, and the typed decorators that fill them inside a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ecg_core.discovery.registry import Registry

if TYPE_CHECKING:
    from ecg_core.contracts.backbone import Backbone
    from ecg_core.contracts.head import Head
    from ecg_core.contracts.ssl import SSLMethod
    from ecg_core.contracts.task import Task
    from ecg_core.contracts.transform import Transform
    from ecg_core.data.reader import Reader

__all__ = [
    "ATTN_LAYERS", "BACKBONES", "COMMANDS", "HEADS", "LOSSES", "MODELS", "OPTIMIZERS", "READERS", "SCHEDULERS", "SSL",
    "TRANSFORMS", "register_backbone", "register_model", "register_ssl", "register_transform",
]  # fmt: skip

BACKBONES: Registry[Backbone] = Registry("backbones")
MODELS: Registry[Task] = Registry("models")
SSL: Registry[SSLMethod] = Registry("ssl")
TRANSFORMS: Registry[Transform] = Registry("transforms")
READERS: Registry[Reader] = Registry("readers")
HEADS: Registry[Head] = Registry("heads")
ATTN_LAYERS: Registry[Any] = Registry("attention")
LOSSES: Registry[Any] = Registry("losses")
OPTIMIZERS: Registry[Any] = Registry("optimizers", supplied=("params",))
SCHEDULERS: Registry[Any] = Registry("schedulers")
COMMANDS: Registry[Any] = Registry("commands")

B = TypeVar("B", bound="Backbone")
M = TypeVar("M", bound="Task")
S = TypeVar("S", bound="SSLMethod")
F = TypeVar("F", bound="Transform")


def register_backbone(name: str | None = None, *, override: bool = False) -> Callable[[type[B]], type[B]]:
    """Make a backbone known in this process: ``@register_backbone("tcn")``."""
    return BACKBONES.register(name, override=override)


def register_model(name: str | None = None, *, override: bool = False) -> Callable[[type[M]], type[M]]:
    """Make a model known in this process."""
    return MODELS.register(name, override=override)


def register_ssl(name: str | None = None, *, override: bool = False) -> Callable[[type[S]], type[S]]:
    """Make an SSL method known in this process."""
    return SSL.register(name, override=override)


def register_transform(name: str | None = None, *, override: bool = False) -> Callable[[type[F]], type[F]]:
    """Make a transform known in this process."""
    return TRANSFORMS.register(name, override=override)
