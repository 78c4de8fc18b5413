"""Backbones and heads of the ECG toolkit. Importing it loads no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ecg_backbones.heads.linear import LinearHead
    from ecg_backbones.heads.mlp import MLPHead
    from ecg_backbones.resnet import ResNet, resnet18
    from ecg_backbones.vit import ViT, vit_small, vit_tiny

# PEP 562: each public name and the module that defines it.
_WHERE = {
    "heads.linear": ("LinearHead",),
    "heads.mlp": ("MLPHead",),
    "resnet": ("ResNet", "resnet18"),
    "vit": ("ViT", "vit_small", "vit_tiny"),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

# In full, because a type checker reads it; a test compares it with the table above.
__all__ = [
    "LinearHead",
    "MLPHead",
    "ResNet",
    "ViT",
    "resnet18",
    "vit_small",
    "vit_tiny",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'ecg_backbones' has no attribute '{name}'")
    value = getattr(import_module(f"ecg_backbones.{_MODULE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_MODULE))
