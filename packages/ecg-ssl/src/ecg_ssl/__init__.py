"""Self-supervised pre-training on unlabelled ECGs. Importing it loads no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ecg_ssl.base.contrastive import BaseContrastiveLearner
    from ecg_ssl.base.masked import BaseMaskedAutoencoder
    from ecg_ssl.gather import gather_rows
    from ecg_ssl.heads.projection import ProjectionHead
    from ecg_ssl.key_queue import KeyQueue
    from ecg_ssl.masking import Masking, mask_by_noise, mask_groups
    from ecg_ssl.methods.barlow_twins import BarlowTwins
    from ecg_ssl.methods.byol import BYOL
    from ecg_ssl.methods.clocs import CLOCS, clocs_cmlc, clocs_cmsc, clocs_cmsmlc
    from ecg_ssl.methods.cmsc import CMSC
    from ecg_ssl.methods.comet import COMET
    from ecg_ssl.methods.mae import MAE, mae_ecg, mlae, mtae
    from ecg_ssl.methods.moco import MoCo, moco_v1, moco_v2
    from ecg_ssl.methods.moco_v3 import MoCoV3
    from ecg_ssl.methods.pclr import PCLR
    from ecg_ssl.methods.simclr import SimCLR
    from ecg_ssl.methods.st_mem import STMEM
    from ecg_ssl.methods.three_kg import ThreeKG
    from ecg_ssl.methods.vicreg import VICReg
    from ecg_ssl.momentum import MomentumEncoder
    from ecg_ssl.objectives.barlow_twins import barlow_twins
    from ecg_ssl.objectives.clocs import clocs
    from ecg_ssl.objectives.cmsc import cmsc
    from ecg_ssl.objectives.dcl import dcl
    from ecg_ssl.objectives.info_nce import info_nce
    from ecg_ssl.objectives.masked import patch_error, patch_mse
    from ecg_ssl.objectives.negative_cosine import cosine_distance
    from ecg_ssl.objectives.nt_xent import nt_xent
    from ecg_ssl.objectives.patient_pairs import patient_pairs
    from ecg_ssl.objectives.time_contrast import instance_contrast, temporal_contrast
    from ecg_ssl.objectives.vicreg import vicreg
    from ecg_ssl.positives import known_patients, patient_numbers, recording_numbers
    from ecg_ssl.segments import adjacent_segments
    from ecg_ssl.timestamps import timestamp_mask

# PEP 562: each public name and the module that defines it.
_WHERE = {
    "base.contrastive": ("BaseContrastiveLearner",),
    "base.masked": ("BaseMaskedAutoencoder",),
    "gather": ("gather_rows",),
    "heads.projection": ("ProjectionHead",),
    "key_queue": ("KeyQueue",),
    "masking": ("Masking", "mask_by_noise", "mask_groups"),
    "methods.barlow_twins": ("BarlowTwins",),
    "methods.byol": ("BYOL",),
    "methods.clocs": ("CLOCS", "clocs_cmlc", "clocs_cmsc", "clocs_cmsmlc"),
    "methods.cmsc": ("CMSC",),
    "methods.comet": ("COMET",),
    "methods.mae": ("MAE", "mae_ecg", "mlae", "mtae"),
    "methods.moco": ("MoCo", "moco_v1", "moco_v2"),
    "methods.moco_v3": ("MoCoV3",),
    "methods.pclr": ("PCLR",),
    "methods.simclr": ("SimCLR",),
    "methods.st_mem": ("STMEM",),
    "methods.three_kg": ("ThreeKG",),
    "methods.vicreg": ("VICReg",),
    "momentum": ("MomentumEncoder",),
    "objectives.barlow_twins": ("barlow_twins",),
    "objectives.clocs": ("clocs",),
    "objectives.cmsc": ("cmsc",),
    "objectives.dcl": ("dcl",),
    "objectives.info_nce": ("info_nce",),
    "objectives.masked": ("patch_error", "patch_mse"),
    "objectives.negative_cosine": ("cosine_distance",),
    "objectives.nt_xent": ("nt_xent",),
    "objectives.patient_pairs": ("patient_pairs",),
    "objectives.time_contrast": ("instance_contrast", "temporal_contrast"),
    "objectives.vicreg": ("vicreg",),
    "positives": ("known_patients", "patient_numbers", "recording_numbers"),
    "segments": ("adjacent_segments",),
    "timestamps": ("timestamp_mask",),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

# In full, because a type checker reads it; a test compares it with the table above.
__all__ = [
    "BYOL",
    "BarlowTwins",
    "BaseContrastiveLearner",
    "BaseMaskedAutoencoder",
    "CLOCS",
    "CMSC",
    "COMET",
    "KeyQueue",
    "MAE",
    "Masking",
    "MoCo",
    "MoCoV3",
    "MomentumEncoder",
    "PCLR",
    "ProjectionHead",
    "STMEM",
    "SimCLR",
    "ThreeKG",
    "VICReg",
    "adjacent_segments",
    "barlow_twins",
    "clocs",
    "clocs_cmlc",
    "clocs_cmsc",
    "clocs_cmsmlc",
    "cmsc",
    "cosine_distance",
    "dcl",
    "gather_rows",
    "info_nce",
    "instance_contrast",
    "known_patients",
    "mae_ecg",
    "mask_by_noise",
    "mask_groups",
    "mlae",
    "moco_v1",
    "moco_v2",
    "mtae",
    "nt_xent",
    "patch_error",
    "patch_mse",
    "patient_numbers",
    "patient_pairs",
    "recording_numbers",
    "temporal_contrast",
    "timestamp_mask",
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
