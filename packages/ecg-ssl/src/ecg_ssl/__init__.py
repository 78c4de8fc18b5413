"""Self-supervised pre-training on unlabelled ECGs. Importing it loads no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ecg_ssl.base.contrastive import BaseContrastiveLearner
    from ecg_ssl.base.latent import BaseLatentPredictor, Latents
    from ecg_ssl.base.masked import BaseMaskedAutoencoder
    from ecg_ssl.gather import gather_rows
    from ecg_ssl.heads.projection import ProjectionHead
    from ecg_ssl.key_queue import KeyQueue
    from ecg_ssl.layers.latent_predictor import LatentPredictor
    from ecg_ssl.masking import Masking, mask_as_given, mask_by_noise, mask_groups
    from ecg_ssl.methods.barlow_twins import BarlowTwins
    from ecg_ssl.methods.byol import BYOL
    from ecg_ssl.methods.data2vec import Data2Vec
    from ecg_ssl.methods.ecg_jepa import ECGJEPA
    from ecg_ssl.methods.jepa_weimann import JEPAWeimann
    from ecg_ssl.methods.mae import MAE, mae_ecg, mlae, mtae
    from ecg_ssl.methods.moco import MoCo, moco_v1, moco_v2
    from ecg_ssl.methods.moco_v3 import MoCoV3
    from ecg_ssl.methods.simclr import SimCLR
    from ecg_ssl.methods.st_mem import STMEM
    from ecg_ssl.methods.vicreg import VICReg
    from ecg_ssl.momentum import MomentumEncoder
    from ecg_ssl.objectives.barlow_twins import barlow_twins
    from ecg_ssl.objectives.info_nce import info_nce
    from ecg_ssl.objectives.masked import patch_error, patch_mse
    from ecg_ssl.objectives.negative_cosine import cosine_distance
    from ecg_ssl.objectives.nt_xent import nt_xent
    from ecg_ssl.objectives.vicreg import vicreg
    from ecg_ssl.teacher import Teacher
    from ecg_ssl.time_masks import blocks_mask, hide_blocks, hide_random

# PEP 562: each public name and the module that defines it.
_WHERE = {
    "base.contrastive": ("BaseContrastiveLearner",),
    "base.latent": ("BaseLatentPredictor", "Latents"),
    "base.masked": ("BaseMaskedAutoencoder",),
    "gather": ("gather_rows",),
    "heads.projection": ("ProjectionHead",),
    "key_queue": ("KeyQueue",),
    "layers.latent_predictor": ("LatentPredictor",),
    "masking": ("Masking", "mask_as_given", "mask_by_noise", "mask_groups"),
    "methods.barlow_twins": ("BarlowTwins",),
    "methods.byol": ("BYOL",),
    "methods.data2vec": ("Data2Vec",),
    "methods.ecg_jepa": ("ECGJEPA",),
    "methods.jepa_weimann": ("JEPAWeimann",),
    "methods.mae": ("MAE", "mae_ecg", "mlae", "mtae"),
    "methods.moco": ("MoCo", "moco_v1", "moco_v2"),
    "methods.moco_v3": ("MoCoV3",),
    "methods.simclr": ("SimCLR",),
    "methods.st_mem": ("STMEM",),
    "methods.vicreg": ("VICReg",),
    "momentum": ("MomentumEncoder",),
    "objectives.barlow_twins": ("barlow_twins",),
    "objectives.info_nce": ("info_nce",),
    "objectives.masked": ("patch_error", "patch_mse"),
    "objectives.negative_cosine": ("cosine_distance",),
    "objectives.nt_xent": ("nt_xent",),
    "objectives.vicreg": ("vicreg",),
    "teacher": ("Teacher",),
    "time_masks": ("blocks_mask", "hide_blocks", "hide_random"),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

# In full, because a type checker reads it; a test compares it with the table above.
__all__ = [
    "BYOL",
    "BarlowTwins",
    "BaseContrastiveLearner",
    "BaseLatentPredictor",
    "BaseMaskedAutoencoder",
    "Data2Vec",
    "ECGJEPA",
    "JEPAWeimann",
    "KeyQueue",
    "LatentPredictor",
    "Latents",
    "MAE",
    "Masking",
    "MoCo",
    "MoCoV3",
    "MomentumEncoder",
    "ProjectionHead",
    "STMEM",
    "SimCLR",
    "Teacher",
    "VICReg",
    "barlow_twins",
    "blocks_mask",
    "cosine_distance",
    "gather_rows",
    "hide_blocks",
    "hide_random",
    "info_nce",
    "mae_ecg",
    "mask_as_given",
    "mask_by_noise",
    "mask_groups",
    "mlae",
    "moco_v1",
    "moco_v2",
    "mtae",
    "nt_xent",
    "patch_error",
    "patch_mse",
    "vicreg",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'ecg_ssl' has no attribute '{name}'")
    value = getattr(import_module(f"ecg_ssl.{_MODULE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_MODULE))
