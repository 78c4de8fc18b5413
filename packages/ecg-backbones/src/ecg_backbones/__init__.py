"""Backbones, heads and losses of the ECG toolkit. Importing it loads no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ecg_backbones.heads.fcn import FCNHead
    from ecg_backbones.heads.linear import LinearHead
    from ecg_backbones.heads.mlp import MLPHead
    from ecg_backbones.heads.per_step import PerStepHead
    from ecg_backbones.heads.unet_decoder import UNetDecoder
    from ecg_backbones.losses.asymmetric import AsymmetricLoss
    from ecg_backbones.losses.boundary import BoundaryLoss
    from ecg_backbones.losses.class_weights import class_weights
    from ecg_backbones.losses.cross_entropy import ClassWeightedBCELoss, MaskedBCELoss, WeightedBCELoss
    from ecg_backbones.losses.dice import DiceLoss
    from ecg_backbones.losses.focal import FocalLoss
    from ecg_backbones.losses.weighted_sum import WeightedSumLoss
    from ecg_backbones.models.fcn import FCN
    from ecg_backbones.models.fcn_wang import FCNWang, fcn_wang
    from ecg_backbones.models.subtract_unet import SubtractUNet, subtract_unet
    from ecg_backbones.models.unet import UNetEncoder, unet
    from ecg_backbones.resnet import ResNet, resnet18
    from ecg_backbones.vit import ViT, vit_small, vit_tiny

# PEP 562: each public name and the module that defines it.
_WHERE = {
    "heads.linear": ("LinearHead",),
    "heads.mlp": ("MLPHead",),
    "losses.asymmetric": ("AsymmetricLoss",),
    "losses.boundary": ("BoundaryLoss",),
    "losses.class_weights": ("class_weights",),
    "losses.cross_entropy": ("ClassWeightedBCELoss", "MaskedBCELoss", "WeightedBCELoss"),
    "losses.dice": ("DiceLoss",),
    "losses.focal": ("FocalLoss",),
    "losses.weighted_sum": ("WeightedSumLoss",),
    "heads.fcn": ("FCNHead",),
    "heads.per_step": ("PerStepHead",),
    "heads.unet_decoder": ("UNetDecoder",),
    "models.fcn": ("FCN",),
    "models.fcn_wang": ("FCNWang", "fcn_wang"),
    "models.subtract_unet": ("SubtractUNet", "subtract_unet"),
    "models.unet": ("UNetEncoder", "unet"),
    "resnet": ("ResNet", "resnet18"),
    "vit": ("ViT", "vit_small", "vit_tiny"),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

# In full, because a type checker reads it; a test compares it with the table above.
__all__ = [
    "AsymmetricLoss",
    "BoundaryLoss",
    "ClassWeightedBCELoss",
    "DiceLoss",
    "FCN",
    "FCNHead",
    "FCNWang",
    "FocalLoss",
    "LinearHead",
    "MLPHead",
    "MaskedBCELoss",
    "PerStepHead",
    "ResNet",
    "SubtractUNet",
    "UNetDecoder",
    "UNetEncoder",
    "ViT",
    "WeightedBCELoss",
    "WeightedSumLoss",
    "class_weights",
    "fcn_wang",
    "resnet18",
    "subtract_unet",
    "unet",
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
