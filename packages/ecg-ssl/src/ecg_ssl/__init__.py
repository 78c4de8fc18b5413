"""Self-supervised pre-training on unlabelled ECGs. Importing it loads no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ecg_ssl.base.contrastive import BaseContrastiveLearner
    from ecg_ssl.base.distillation import BaseSelfDistillation
    from ecg_ssl.base.follower import BaseMomentumLearner
    from ecg_ssl.base.latent import BaseLatentPredictor, Latents
    from ecg_ssl.base.masked import BaseMaskedAutoencoder
    from ecg_ssl.base.token import BaseTokenPredictor
    from ecg_ssl.centres import move_centre
    from ecg_ssl.clustering import Clustering, kmeans, nearest
    from ecg_ssl.descriptors import cepstra, time_frequency
    from ecg_ssl.frozen import Frozen
    from ecg_ssl.gather import gather_rows
    from ecg_ssl.heads.codes import CosineCodeHead
    from ecg_ssl.heads.metadata import MatchingHead, RegressionHead
    from ecg_ssl.heads.projection import ProjectionHead
    from ecg_ssl.heads.prototypes import PrototypeHead
    from ecg_ssl.key_queue import KeyQueue
    from ecg_ssl.layers.cluster_codes import ClusterCodes
    from ecg_ssl.layers.code_usage import CodeUsage
    from ecg_ssl.layers.latent_predictor import LatentPredictor
    from ecg_ssl.layers.quantizer import GumbelQuantizer
    from ecg_ssl.layers.spherical_codes import spherical_codes
    from ecg_ssl.masking import MaskedWords, Masking, mask_as_given, mask_by_noise, mask_groups, mask_spans, mask_words
    from ecg_ssl.methods.barlow_twins import BarlowTwins
    from ecg_ssl.methods.byol import BYOL
    from ecg_ssl.methods.clocs import CLOCS, clocs_cmlc, clocs_cmsc, clocs_cmsmlc
    from ecg_ssl.methods.cmsc import CMSC
    from ecg_ssl.methods.comet import COMET
    from ecg_ssl.methods.cpc import CPC
    from ecg_ssl.methods.data2vec import Data2Vec
    from ecg_ssl.methods.dino import DINO
    from ecg_ssl.methods.ecg_bert import ECGBERT
    from ecg_ssl.methods.ecg_jepa import ECGJEPA
    from ecg_ssl.methods.heartlang import HeartLang
    from ecg_ssl.methods.hubert_ecg import HuBERTECG
    from ecg_ssl.methods.ibot import IBOT
    from ecg_ssl.methods.isl import ISL
    from ecg_ssl.methods.jepa_weimann import JEPAWeimann
    from ecg_ssl.methods.lejepa import LeJEPA, lejepa_loss
    from ecg_ssl.methods.mae import MAE, mae_ecg, mlae, mtae
    from ecg_ssl.methods.moco import MoCo, moco_v1, moco_v2
    from ecg_ssl.methods.moco_v3 import MoCoV3
    from ecg_ssl.methods.pclr import PCLR
    from ecg_ssl.methods.simclr import SimCLR
    from ecg_ssl.methods.st_mem import STMEM
    from ecg_ssl.methods.tfc import TFC
    from ecg_ssl.methods.three_kg import ThreeKG
    from ecg_ssl.methods.three_m_ecg import ThreeMECG, split_leads
    from ecg_ssl.methods.vicreg import VICReg
    from ecg_ssl.methods.vq_hbr import VQHBR
    from ecg_ssl.methods.w2v_cmsc import W2VCMSC
    from ecg_ssl.momentum import MomentumEncoder
    from ecg_ssl.multi_crop import Crops, MultiCrop
    from ecg_ssl.objectives.barlow_twins import barlow_twins
    from ecg_ssl.objectives.clip_loss import clip_loss, similarity_scale
    from ecg_ssl.objectives.clocs import clocs
    from ecg_ssl.objectives.cmsc import cmsc
    from ecg_ssl.objectives.code_prediction import code_prediction
    from ecg_ssl.objectives.cpc import cpc
    from ecg_ssl.objectives.dcl import dcl
    from ecg_ssl.objectives.info_nce import info_nce
    from ecg_ssl.objectives.koleo import koleo
    from ecg_ssl.objectives.masked import patch_error, patch_mse
    from ecg_ssl.objectives.metadata_matching import matching_loss, other_facts
    from ecg_ssl.objectives.negative_cosine import cosine_distance
    from ecg_ssl.objectives.nt_xent import nt_xent
    from ecg_ssl.objectives.nt_xent_poly import nt_xent_poly
    from ecg_ssl.objectives.patient_pairs import patient_pairs
    from ecg_ssl.objectives.self_distillation import dino_loss, ibot_loss, teacher_probabilities
    from ecg_ssl.objectives.sigreg import random_directions, sigreg
    from ecg_ssl.objectives.stationarity import drift, drift_of_any_order
    from ecg_ssl.objectives.time_contrast import instance_contrast, temporal_contrast
    from ecg_ssl.objectives.token_info_nce import token_info_nce
    from ecg_ssl.objectives.vicreg import vicreg
    from ecg_ssl.positives import known_patients, patient_numbers, recording_numbers
    from ecg_ssl.segments import adjacent_segments
    from ecg_ssl.teacher import Teacher
    from ecg_ssl.time_masks import blocks_mask, hide_blocks, hide_random, hide_run
    from ecg_ssl.timestamps import timestamp_mask
    from ecg_ssl.weights.importing import import_weights

# PEP 562: each public name and the module that defines it.
_WHERE = {
    "heads.metadata": ("MatchingHead", "RegressionHead"),
    "methods.three_m_ecg": ("ThreeMECG", "split_leads"),
    "layers.spherical_codes": ("spherical_codes",),
    "methods.ecg_bert": ("ECGBERT",),
    "methods.heartlang": ("HeartLang",),
    "clustering": ("Clustering", "kmeans", "nearest"),
    "descriptors": ("cepstra", "time_frequency"),
    "frozen": ("Frozen",),
    "heads.codes": ("CosineCodeHead",),
    "layers.cluster_codes": ("ClusterCodes",),
    "layers.code_usage": ("CodeUsage",),
    "methods.hubert_ecg": ("HuBERTECG",),
    "base.contrastive": ("BaseContrastiveLearner",),
    "base.distillation": ("BaseSelfDistillation",),
    "base.follower": ("BaseMomentumLearner",),
    "base.latent": ("BaseLatentPredictor", "Latents"),
    "base.masked": ("BaseMaskedAutoencoder",),
    "base.token": ("BaseTokenPredictor",),
    "centres": ("move_centre",),
    "gather": ("gather_rows",),
    "heads.projection": ("ProjectionHead",),
    "heads.prototypes": ("PrototypeHead",),
    "key_queue": ("KeyQueue",),
    "layers.latent_predictor": ("LatentPredictor",),
    "layers.quantizer": ("GumbelQuantizer",),
    "masking": ("MaskedWords", "Masking", "mask_as_given", "mask_by_noise", "mask_groups", "mask_spans", "mask_words"),
    "methods.barlow_twins": ("BarlowTwins",),
    "methods.byol": ("BYOL",),
    "methods.clocs": ("CLOCS", "clocs_cmlc", "clocs_cmsc", "clocs_cmsmlc"),
    "methods.cmsc": ("CMSC",),
    "methods.comet": ("COMET",),
    "methods.cpc": ("CPC",),
    "methods.data2vec": ("Data2Vec",),
    "methods.dino": ("DINO",),
    "methods.ecg_jepa": ("ECGJEPA",),
    "methods.ibot": ("IBOT",),
    "methods.isl": ("ISL",),
    "methods.jepa_weimann": ("JEPAWeimann",),
    "methods.lejepa": ("LeJEPA", "lejepa_loss"),
    "methods.mae": ("MAE", "mae_ecg", "mlae", "mtae"),
    "methods.moco": ("MoCo", "moco_v1", "moco_v2"),
    "methods.moco_v3": ("MoCoV3",),
    "methods.pclr": ("PCLR",),
    "methods.simclr": ("SimCLR",),
    "methods.st_mem": ("STMEM",),
    "methods.tfc": ("TFC",),
    "methods.three_kg": ("ThreeKG",),
    "methods.vicreg": ("VICReg",),
    "methods.vq_hbr": ("VQHBR",),
    "methods.w2v_cmsc": ("W2VCMSC",),
    "momentum": ("MomentumEncoder",),
    "multi_crop": ("Crops", "MultiCrop"),
    "objectives.barlow_twins": ("barlow_twins",),
    "objectives.clip_loss": ("clip_loss", "similarity_scale"),
    "objectives.clocs": ("clocs",),
    "objectives.cmsc": ("cmsc",),
    "objectives.code_prediction": ("code_prediction",),
    "objectives.cpc": ("cpc",),
    "objectives.dcl": ("dcl",),
    "objectives.info_nce": ("info_nce",),
    "objectives.koleo": ("koleo",),
    "objectives.masked": ("patch_error", "patch_mse"),
    "objectives.metadata_matching": ("matching_loss", "other_facts"),
    "objectives.negative_cosine": ("cosine_distance",),
    "objectives.nt_xent": ("nt_xent",),
    "objectives.nt_xent_poly": ("nt_xent_poly",),
    "objectives.patient_pairs": ("patient_pairs",),
    "objectives.self_distillation": ("dino_loss", "ibot_loss", "teacher_probabilities"),
    "objectives.sigreg": ("random_directions", "sigreg"),
    "objectives.stationarity": ("drift", "drift_of_any_order"),
    "objectives.time_contrast": ("instance_contrast", "temporal_contrast"),
    "objectives.token_info_nce": ("token_info_nce",),
    "objectives.vicreg": ("vicreg",),
    "positives": ("known_patients", "patient_numbers", "recording_numbers"),
    "segments": ("adjacent_segments",),
    "teacher": ("Teacher",),
    "time_masks": ("blocks_mask", "hide_blocks", "hide_random", "hide_run"),
    "timestamps": ("timestamp_mask",),
    "weights.importing": ("import_weights",),
}  # fmt: skip
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

# In full, because a type checker reads it; a test compares it with the table above.
__all__ = [
    "MatchingHead", "RegressionHead", "ThreeMECG", "matching_loss", "ECGBERT", "HeartLang", "VQHBR", "ClusterCodes", "Clustering",
    "CodeUsage", "CosineCodeHead", "Frozen", "HuBERTECG", "cepstra", "code_prediction", "kmeans", "nearest", "BYOL",
    "BarlowTwins", "BaseContrastiveLearner", "BaseLatentPredictor", "BaseMaskedAutoencoder", "BaseMomentumLearner",
    "BaseSelfDistillation", "BaseTokenPredictor", "CLOCS", "CMSC", "COMET", "CPC", "Crops", "DINO", "Data2Vec", "ECGJEPA",
    "GumbelQuantizer", "IBOT", "ISL", "JEPAWeimann", "KeyQueue", "LatentPredictor", "Latents", "LeJEPA", "MAE", "MaskedWords",
    "Masking", "MoCo", "MoCoV3", "MomentumEncoder", "MultiCrop", "PCLR", "ProjectionHead", "PrototypeHead", "STMEM", "SimCLR",
    "TFC", "Teacher", "ThreeKG", "VICReg", "W2VCMSC", "adjacent_segments", "barlow_twins", "blocks_mask", "clip_loss", "clocs",
    "clocs_cmlc", "clocs_cmsc", "clocs_cmsmlc", "cmsc", "cosine_distance", "cpc", "dcl", "dino_loss", "drift",
    "drift_of_any_order", "gather_rows", "hide_blocks", "hide_random", "hide_run", "ibot_loss", "import_weights", "info_nce",
    "instance_contrast", "known_patients", "koleo", "lejepa_loss", "mae_ecg", "mask_as_given", "mask_by_noise", "mask_groups",
    "mask_spans", "mask_words", "mlae", "moco_v1", "moco_v2", "move_centre", "mtae", "nt_xent", "nt_xent_poly", "other_facts",
    "patch_error", "patch_mse", "patient_numbers", "patient_pairs", "random_directions", "recording_numbers", "sigreg",
    "similarity_scale", "spherical_codes", "split_leads", "teacher_probabilities", "temporal_contrast", "time_frequency",
    "timestamp_mask", "token_info_nce", "vicreg",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'ecg_ssl' has no attribute '{name}'")
    value = getattr(import_module(f"ecg_ssl.{_MODULE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_MODULE))
