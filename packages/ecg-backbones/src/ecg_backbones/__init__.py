"""Backbones and heads of the ECG toolkit. Importing it loads no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ecg_backbones.heads.attentive import AttentiveHead
    from ecg_backbones.heads.linear import LinearHead
    from ecg_backbones.heads.mlp import MLPHead
    from ecg_backbones.net1d import Net1D, net1d_ecgfounder
    from ecg_backbones.resnet import (
        ResNet,
        resnet18,
        resnet34,
        resnet50,
        resnet101,
        resnet152,
        resnext50_32x4d,
        resnext101_32x8d,
        se_resnet,
        wide_resnet50_2,
        wide_resnet101_2,
        xresnet1d18,
        xresnet1d34,
        xresnet1d50,
        xresnet1d101,
    )
    from ecg_backbones.resnet_antonior92 import ResNetAntonior92
    from ecg_backbones.resnet_named import (
        resnet_cpsc2018,
        resnet_cpsc2018_leadwise,
        resnet_n,
        resnet_nature_comm,
        resnet_nature_comm_bottle_neck,
        resnet_nature_comm_bottle_neck_gc,
        resnet_nature_comm_bottle_neck_nl,
        resnet_nature_comm_bottle_neck_se,
        resnet_nature_comm_gc,
        resnet_nature_comm_nl,
        resnet_nature_comm_se,
        resnet_nb,
        resnet_nbs,
        resnet_ns,
        resnet_stanford,
        resnet_vanilla_18,
        resnet_vanilla_34,
        resnet_vanilla_50,
        resnet_vanilla_101,
        resnet_vanilla_152,
        resnet_vanilla_wide_50_2,
        resnet_vanilla_wide_101_2,
        resnext,
        resnext_vanilla_50_32x4d,
        resnext_vanilla_101_32x8d,
        tresnet,
        tresnet_f,
        tresnet_l,
        tresnet_m,
        tresnet_m_v2,
        tresnet_n,
        tresnet_p,
        tresnet_s,
        tresnet_xl,
    )
    from ecg_backbones.vit import ViT, vit_small, vit_tiny

# PEP 562: each public name and the module that defines it.
_WHERE = {
    "heads.attentive": ("AttentiveHead",),
    "heads.linear": ("LinearHead",),
    "heads.mlp": ("MLPHead",),
    "net1d": (
        "Net1D",
        "net1d_ecgfounder",
    ),
    "resnet": (
        "ResNet",
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "resnet152",
        "resnext50_32x4d",
        "resnext101_32x8d",
        "se_resnet",
        "wide_resnet50_2",
        "wide_resnet101_2",
        "xresnet1d18",
        "xresnet1d34",
        "xresnet1d50",
        "xresnet1d101",
    ),
    "resnet_antonior92": ("ResNetAntonior92",),
    "resnet_named": (
        "resnet_cpsc2018",
        "resnet_cpsc2018_leadwise",
        "resnet_n",
        "resnet_nature_comm",
        "resnet_nature_comm_bottle_neck",
        "resnet_nature_comm_bottle_neck_gc",
        "resnet_nature_comm_bottle_neck_nl",
        "resnet_nature_comm_bottle_neck_se",
        "resnet_nature_comm_gc",
        "resnet_nature_comm_nl",
        "resnet_nature_comm_se",
        "resnet_nb",
        "resnet_nbs",
        "resnet_ns",
        "resnet_stanford",
        "resnet_vanilla_101",
        "resnet_vanilla_152",
        "resnet_vanilla_18",
        "resnet_vanilla_34",
        "resnet_vanilla_50",
        "resnet_vanilla_wide_101_2",
        "resnet_vanilla_wide_50_2",
        "resnext",
        "resnext_vanilla_101_32x8d",
        "resnext_vanilla_50_32x4d",
        "tresnet",
        "tresnet_f",
        "tresnet_l",
        "tresnet_m",
        "tresnet_m_v2",
        "tresnet_n",
        "tresnet_p",
        "tresnet_s",
        "tresnet_xl",
    ),
    "vit": ("ViT", "vit_small", "vit_tiny"),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

# In full, because a type checker reads it; a test compares it with the table above.
__all__ = [
    "AttentiveHead",
    "LinearHead",
    "MLPHead",
    "Net1D",
    "ResNet",
    "ResNetAntonior92",
    "ViT",
    "net1d_ecgfounder",
    "resnet101",
    "resnet152",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet_cpsc2018",
    "resnet_cpsc2018_leadwise",
    "resnet_n",
    "resnet_nature_comm",
    "resnet_nature_comm_bottle_neck",
    "resnet_nature_comm_bottle_neck_gc",
    "resnet_nature_comm_bottle_neck_nl",
    "resnet_nature_comm_bottle_neck_se",
    "resnet_nature_comm_gc",
    "resnet_nature_comm_nl",
    "resnet_nature_comm_se",
    "resnet_nb",
    "resnet_nbs",
    "resnet_ns",
    "resnet_stanford",
    "resnet_vanilla_101",
    "resnet_vanilla_152",
    "resnet_vanilla_18",
    "resnet_vanilla_34",
    "resnet_vanilla_50",
    "resnet_vanilla_wide_101_2",
    "resnet_vanilla_wide_50_2",
    "resnext",
    "resnext101_32x8d",
    "resnext50_32x4d",
    "resnext_vanilla_101_32x8d",
    "resnext_vanilla_50_32x4d",
    "se_resnet",
    "tresnet",
    "tresnet_f",
    "tresnet_l",
    "tresnet_m",
    "tresnet_m_v2",
    "tresnet_n",
    "tresnet_p",
    "tresnet_s",
    "tresnet_xl",
    "vit_small",
    "vit_tiny",
    "wide_resnet101_2",
    "wide_resnet50_2",
    "xresnet1d101",
    "xresnet1d18",
    "xresnet1d34",
    "xresnet1d50",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'ecg_backbones' has no attribute '{name}'")
    value = getattr(import_module(f"ecg_backbones.{_MODULE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_MODULE))
