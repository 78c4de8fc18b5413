"""Self-supervised pre-training on unlabelled ECGs. Importing it loads no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ecg_ssl.base.contrastive import BaseContrastiveLearner
    from ecg_ssl.base.masked import BaseMaskedAutoencoder
    from ecg_ssl.heads.projection import ProjectionHead
    from ecg_ssl.masking import Masking, mask_by_noise, mask_groups
    from ecg_ssl.methods.mae import MAE, mae_ecg, mlae, mtae
    from ecg_ssl.methods.simclr import SimCLR
    from ecg_ssl.methods.st_mem import STMEM
    from ecg_ssl.objectives.masked import patch_error, patch_mse
    from ecg_ssl.objectives.nt_xent import nt_xent

# PEP 562: each public name and the module that defines it.
_WHERE = {
    "base.contrastive": ("BaseContrastiveLearner",),
    "base.masked": ("BaseMaskedAutoencoder",),
    "heads.projection": ("ProjectionHead",),
    "masking": ("Masking", "mask_by_noise", "mask_groups"),
    "methods.mae": ("MAE", "mae_ecg", "mlae", "mtae"),
    "methods.simclr": ("SimCLR",),
    "methods.st_mem": ("STMEM",),
    "objectives.masked": ("patch_error", "patch_mse"),
    "objectives.nt_xent": ("nt_xent",),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

# In full, because a type checker reads it; a test compares it with the table above.
__all__ = [
    "BaseContrastiveLearner",
    "BaseMaskedAutoencoder",
    "MAE",
    "Masking",
    "ProjectionHead",
    "STMEM",
    "SimCLR",
    "mae_ecg",
    "mask_by_noise",
    "mask_groups",
    "mlae",
    "mtae",
    "nt_xent",
    "patch_error",
    "patch_mse",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'ecg_ssl' has no attribute '{name}'")
    value = getattr(import_module(f"ecg_ssl.{_MODULE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_MODULE))
