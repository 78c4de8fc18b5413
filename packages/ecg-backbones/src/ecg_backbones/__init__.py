"""Backbones, heads and losses of the ECG toolkit. Importing it loads no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ecg_backbones.bigru import BiGRU
    from ecg_backbones.clocs_cnn import CLOCSCNN
    from ecg_backbones.conformer import Conformer
    from ecg_backbones.convnext import ConvNeXt, convnext1d_small, convnext1d_tiny
    from ecg_backbones.cpc_encoder import CPCEncoder
    from ecg_backbones.darknet import Darknet, Darknet19, cspdarknet53, darknet19, darknet53
    from ecg_backbones.densenet import DenseNet, densenet121, densenet_leadwise, densenet_vanilla
    from ecg_backbones.ecg_bert import ECGBERTEncoder, ecg_bert_small
    from ecg_backbones.efficientnet import (
        EfficientNet,
        efficientnet_b0,
        efficientnet_b1,
        efficientnet_b2,
        efficientnet_b3,
        efficientnet_b4,
        efficientnet_b5,
        efficientnet_b6,
        efficientnet_b7,
        efficientnetv2_l,
        efficientnetv2_m,
        efficientnetv2_s,
    )
    from ecg_backbones.heads.attentive import AttentiveHead
    from ecg_backbones.heads.crf import CRFHead
    from ecg_backbones.heads.fcn import FCNHead
    from ecg_backbones.heads.linear import LinearHead
    from ecg_backbones.heads.mlp import MLPHead
    from ecg_backbones.heads.per_step import PerStepHead
    from ecg_backbones.heads.unet_decoder import UNetDecoder
    from ecg_backbones.heartlang import HeartLangEncoder
    from ecg_backbones.hubert_ecg import HuBERTECGEncoder, hubert_ecg_base, hubert_ecg_large, hubert_ecg_small
    from ecg_backbones.inception_time import InceptionTime
    from ecg_backbones.layers.norm_quantizer import NormQuantizer
    from ecg_backbones.layers.wave_words import WaveWords, word_names
    from ecg_backbones.losses.asymmetric import AsymmetricLoss
    from ecg_backbones.losses.boundary import BoundaryLoss
    from ecg_backbones.losses.class_weights import class_weights
    from ecg_backbones.losses.cross_entropy import ClassWeightedBCELoss, MaskedBCELoss, WeightedBCELoss
    from ecg_backbones.losses.dice import DiceLoss
    from ecg_backbones.losses.focal import FocalLoss
    from ecg_backbones.losses.weighted_sum import WeightedSumLoss
    from ecg_backbones.mobilenet_v1 import MobileNetV1, mobilenet_v1_vanilla
    from ecg_backbones.mobilenet_v2 import MobileNetV2, mobilenet_v2_vanilla
    from ecg_backbones.mobilenet_v3 import MobileNetV3, mobilenet_v3_large, mobilenet_v3_small
    from ecg_backbones.models.crnn import CRNN
    from ecg_backbones.models.detector import Detector, yolo1d
    from ecg_backbones.models.fcn import FCN
    from ecg_backbones.models.fcn_wang import FCNWang, fcn_wang
    from ecg_backbones.models.named_crnn import ati_cnn, rr_af_crf, rr_af_vanilla, rr_lstm, seq_lab
    from ecg_backbones.models.subtract_unet import SubtractUNet, subtract_unet
    from ecg_backbones.models.unet import UNetEncoder, unet
    from ecg_backbones.multi_scopic import MultiScopic, multi_scopic_leadwise
    from ecg_backbones.net1d import Net1D, net1d_ecgfounder
    from ecg_backbones.regnet import RegNet, regnet_16_8, regnet_23_168, regnet_27_24, regnet_s
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
    from ecg_backbones.runge_kutta import RungeKuttaResNet, midpoint_resnet, rk4_resnet, rk8_resnet
    from ecg_backbones.s4 import S4
    from ecg_backbones.tfc_transformer import TFCTransformer
    from ecg_backbones.transformer import Transformer
    from ecg_backbones.vgg import VGG, vgg16, vgg16_bn, vgg16_leadwise
    from ecg_backbones.vit import ViT, vit_base, vit_small, vit_tiny
    from ecg_backbones.vit_cropa import CroPAViT, vit_cropa_b
    from ecg_backbones.vit_grid import (
        GridViT,
        vit_grid_base,
        vit_grid_small,
        vit_grid_tiny,
        vit_leads_base,
        vit_leads_small,
        vit_leads_tiny,
    )
    from ecg_backbones.vit_register import RegisterViT, vit_register_b, vit_register_s, vit_register_xs
    from ecg_backbones.vit_time import TimeViT, vit_time_base, vit_time_small, vit_time_tiny
    from ecg_backbones.vq_hbr import HeartbeatCodes
    from ecg_backbones.wav2vec2 import Wav2Vec2
    from ecg_backbones.xception import Xception, xception_leadwise, xception_vanilla

# PEP 562: each public name and the module that defines it.
_WHERE = {
    "ecg_bert": ("ECGBERTEncoder", "ecg_bert_small"),
    "heartlang": ("HeartLangEncoder",),
    "bigru": ("BiGRU",),
    "clocs_cnn": ("CLOCSCNN",),
    "conformer": ("Conformer",),
    "convnext": ("ConvNeXt", "convnext1d_small", "convnext1d_tiny"),
    "cpc_encoder": ("CPCEncoder",),
    "darknet": ("Darknet", "Darknet19", "cspdarknet53", "darknet19", "darknet53"),
    "densenet": ("DenseNet", "densenet121", "densenet_leadwise", "densenet_vanilla"),
    "efficientnet": (
        "EfficientNet", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4",
        "efficientnet_b5", "efficientnet_b6", "efficientnet_b7", "efficientnetv2_l", "efficientnetv2_m", "efficientnetv2_s",
    ),
    "heads.attentive": ("AttentiveHead",),
    "heads.crf": ("CRFHead",),
    "heads.fcn": ("FCNHead",),
    "heads.linear": ("LinearHead",),
    "heads.mlp": ("MLPHead",),
    "heads.per_step": ("PerStepHead",),
    "heads.unet_decoder": ("UNetDecoder",),
    "hubert_ecg": ("HuBERTECGEncoder", "hubert_ecg_base", "hubert_ecg_large", "hubert_ecg_small"),
    "inception_time": ("InceptionTime",),
    "layers.norm_quantizer": ("NormQuantizer",),
    "layers.wave_words": ("WaveWords", "word_names"),
    "losses.asymmetric": ("AsymmetricLoss",),
    "losses.boundary": ("BoundaryLoss",),
    "losses.class_weights": ("class_weights",),
    "losses.cross_entropy": ("ClassWeightedBCELoss", "MaskedBCELoss", "WeightedBCELoss"),
    "losses.dice": ("DiceLoss",),
    "losses.focal": ("FocalLoss",),
    "losses.weighted_sum": ("WeightedSumLoss",),
    "mobilenet_v1": ("MobileNetV1", "mobilenet_v1_vanilla"),
    "mobilenet_v2": ("MobileNetV2", "mobilenet_v2_vanilla"),
    "mobilenet_v3": ("MobileNetV3", "mobilenet_v3_large", "mobilenet_v3_small"),
    "models.crnn": ("CRNN",),
    "models.detector": ("Detector", "yolo1d"),
    "models.fcn": ("FCN",),
    "models.fcn_wang": ("FCNWang", "fcn_wang"),
    "models.named_crnn": ("ati_cnn", "rr_af_crf", "rr_af_vanilla", "rr_lstm", "seq_lab"),
    "models.subtract_unet": ("SubtractUNet", "subtract_unet"),
    "models.unet": ("UNetEncoder", "unet"),
    "multi_scopic": ("MultiScopic", "multi_scopic_leadwise"),
    "net1d": ("Net1D", "net1d_ecgfounder"),
    "regnet": ("RegNet", "regnet_16_8", "regnet_23_168", "regnet_27_24", "regnet_s"),
    "resnet": (
        "ResNet", "resnet101", "resnet152", "resnet18", "resnet34", "resnet50", "resnext101_32x8d", "resnext50_32x4d",
        "se_resnet", "wide_resnet101_2", "wide_resnet50_2", "xresnet1d101", "xresnet1d18", "xresnet1d34", "xresnet1d50",
    ),
    "resnet_antonior92": ("ResNetAntonior92",),
    "resnet_named": (
        "resnet_cpsc2018", "resnet_cpsc2018_leadwise", "resnet_n", "resnet_nature_comm", "resnet_nature_comm_bottle_neck",
        "resnet_nature_comm_bottle_neck_gc", "resnet_nature_comm_bottle_neck_nl", "resnet_nature_comm_bottle_neck_se",
        "resnet_nature_comm_gc", "resnet_nature_comm_nl", "resnet_nature_comm_se", "resnet_nb", "resnet_nbs", "resnet_ns",
        "resnet_stanford", "resnet_vanilla_101", "resnet_vanilla_152", "resnet_vanilla_18", "resnet_vanilla_34",
        "resnet_vanilla_50", "resnet_vanilla_wide_101_2", "resnet_vanilla_wide_50_2", "resnext", "resnext_vanilla_101_32x8d",
        "resnext_vanilla_50_32x4d", "tresnet", "tresnet_f", "tresnet_l", "tresnet_m", "tresnet_m_v2", "tresnet_n", "tresnet_p",
        "tresnet_s", "tresnet_xl",
    ),
    "runge_kutta": ("RungeKuttaResNet", "midpoint_resnet", "rk4_resnet", "rk8_resnet"),
    "s4": ("S4",),
    "tfc_transformer": ("TFCTransformer",),
    "transformer": ("Transformer",),
    "vgg": ("VGG", "vgg16", "vgg16_bn", "vgg16_leadwise"),
    "vit": ("ViT", "vit_base", "vit_small", "vit_tiny"),
    "vit_cropa": ("CroPAViT", "vit_cropa_b"),
    "vit_grid": (
        "GridViT", "vit_grid_base", "vit_grid_small", "vit_grid_tiny", "vit_leads_base", "vit_leads_small", "vit_leads_tiny",
    ),
    "vit_register": ("RegisterViT", "vit_register_b", "vit_register_s", "vit_register_xs"),
    "vit_time": ("TimeViT", "vit_time_base", "vit_time_small", "vit_time_tiny"),
    "vq_hbr": ("HeartbeatCodes",),
    "wav2vec2": ("Wav2Vec2",),
    "xception": ("Xception", "xception_leadwise", "xception_vanilla"),
}  # fmt: skip
_MODULE = {name: module for module, names in _WHERE.items() for name in names}

# In full, because a type checker reads it; a test compares it with the table above.
__all__ = [
    "ECGBERTEncoder", "WaveWords", "ecg_bert_small", "HeartLangEncoder", "HeartbeatCodes", "HuBERTECGEncoder", "NormQuantizer",
    "hubert_ecg_base", "AsymmetricLoss", "AttentiveHead", "BiGRU", "BoundaryLoss", "CLOCSCNN", "CPCEncoder", "CRFHead", "CRNN",
    "ClassWeightedBCELoss", "Conformer", "ConvNeXt", "CroPAViT", "Darknet", "Darknet19", "DenseNet", "Detector", "DiceLoss",
    "EfficientNet", "FCN", "FCNHead", "FCNWang", "FocalLoss", "GridViT", "InceptionTime", "LinearHead", "MLPHead",
    "MaskedBCELoss", "MobileNetV1", "MobileNetV2", "MobileNetV3", "MultiScopic", "Net1D", "PerStepHead", "RegNet", "RegisterViT",
    "ResNet", "ResNetAntonior92", "RungeKuttaResNet", "S4", "SubtractUNet", "TFCTransformer", "TimeViT", "Transformer",
    "UNetDecoder", "UNetEncoder", "VGG", "ViT", "Wav2Vec2", "WeightedBCELoss", "WeightedSumLoss", "Xception", "ati_cnn",
    "class_weights", "convnext1d_small", "convnext1d_tiny", "cspdarknet53", "darknet19", "darknet53", "densenet121",
    "densenet_leadwise", "densenet_vanilla", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3",
    "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7", "efficientnetv2_l", "efficientnetv2_m",
    "efficientnetv2_s", "fcn_wang", "hubert_ecg_large", "hubert_ecg_small", "midpoint_resnet", "mobilenet_v1_vanilla",
    "mobilenet_v2_vanilla", "mobilenet_v3_large", "mobilenet_v3_small", "multi_scopic_leadwise", "net1d_ecgfounder",
    "regnet_16_8", "regnet_23_168", "regnet_27_24", "regnet_s", "resnet101", "resnet152", "resnet18", "resnet34", "resnet50",
    "resnet_cpsc2018", "resnet_cpsc2018_leadwise", "resnet_n", "resnet_nature_comm", "resnet_nature_comm_bottle_neck",
    "resnet_nature_comm_bottle_neck_gc", "resnet_nature_comm_bottle_neck_nl", "resnet_nature_comm_bottle_neck_se",
    "resnet_nature_comm_gc", "resnet_nature_comm_nl", "resnet_nature_comm_se", "resnet_nb", "resnet_nbs", "resnet_ns",
    "resnet_stanford", "resnet_vanilla_101", "resnet_vanilla_152", "resnet_vanilla_18", "resnet_vanilla_34", "resnet_vanilla_50",
    "resnet_vanilla_wide_101_2", "resnet_vanilla_wide_50_2", "resnext", "resnext101_32x8d", "resnext50_32x4d",
    "resnext_vanilla_101_32x8d", "resnext_vanilla_50_32x4d", "rk4_resnet", "rk8_resnet", "rr_af_crf", "rr_af_vanilla", "rr_lstm",
    "se_resnet", "seq_lab", "subtract_unet", "tresnet", "tresnet_f", "tresnet_l", "tresnet_m", "tresnet_m_v2", "tresnet_n",
    "tresnet_p", "tresnet_s", "tresnet_xl", "unet", "vgg16", "vgg16_bn", "vgg16_leadwise", "vit_base", "vit_cropa_b",
    "vit_grid_base", "vit_grid_small", "vit_grid_tiny", "vit_leads_base", "vit_leads_small", "vit_leads_tiny", "vit_register_b",
    "vit_register_s", "vit_register_xs", "vit_small", "vit_time_base", "vit_time_small", "vit_time_tiny", "vit_tiny",
    "wide_resnet101_2", "wide_resnet50_2", "word_names", "xception_leadwise", "xception_vanilla", "xresnet1d101", "xresnet1d18",
    "xresnet1d34", "xresnet1d50", "yolo1d",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'ecg_backbones' has no attribute '{name}'")
    value = getattr(import_module(f"ecg_backbones.{_MODULE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_MODULE))
