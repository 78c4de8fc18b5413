"""Which of our packages ships a name: only for the hint when it is not installed. A test keeps it true."""

from __future__ import annotations

from ecg_core.discovery.names import comparison_key

__all__ = ["shipped_by"]

_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "ecg-backbones": {
        "attention": (
            "bam", "cbam", "coordinate_attention", "gather_excite", "global_context", "non_local", "selective_kernel",
            "self_attention", "squeeze_excite", "transformer_encoder",
        ),
        "backbones": (
            "bigru", "clocs_cnn", "conformer", "convnext1d_small", "convnext1d_tiny", "cpc_encoder", "cspdarknet53", "darknet19",
            "darknet53", "densenet", "densenet121", "densenet_leadwise", "densenet_vanilla", "ecg_bert_small", "efficientnet_b0",
            "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4", "efficientnet_b5", "efficientnet_b6",
            "efficientnet_b7", "efficientnetv2_l", "efficientnetv2_m", "efficientnetv2_s", "fcn_wang", "heartlang",
            "hubert_ecg_base", "hubert_ecg_large", "hubert_ecg_small", "inception_time", "midpoint_resnet", "mobilenet_v1",
            "mobilenet_v1_vanilla", "mobilenet_v2", "mobilenet_v2_vanilla", "mobilenet_v3", "mobilenet_v3_large",
            "mobilenet_v3_small", "multi_scopic", "multi_scopic_leadwise", "net1d", "net1d_ecgfounder", "regnet", "regnet_16_8",
            "regnet_23_168", "regnet_27_24", "regnet_s", "resnet", "resnet101", "resnet152", "resnet18", "resnet34", "resnet50",
            "resnet_antonior92", "resnet_cpsc2018", "resnet_cpsc2018_leadwise", "resnet_n", "resnet_nature_comm",
            "resnet_nature_comm_bottle_neck", "resnet_nature_comm_bottle_neck_gc", "resnet_nature_comm_bottle_neck_nl",
            "resnet_nature_comm_bottle_neck_se", "resnet_nature_comm_gc", "resnet_nature_comm_nl", "resnet_nature_comm_se",
            "resnet_nb", "resnet_nbs", "resnet_ns", "resnet_stanford", "resnet_vanilla_101", "resnet_vanilla_152",
            "resnet_vanilla_18", "resnet_vanilla_34", "resnet_vanilla_50", "resnet_vanilla_wide_101_2",
            "resnet_vanilla_wide_50_2", "resnext", "resnext101_32x8d", "resnext50_32x4d", "resnext_vanilla_101_32x8d",
            "resnext_vanilla_50_32x4d", "rk4_resnet", "rk8_resnet", "runge_kutta_resnet", "s4", "se_resnet", "subtract_unet",
            "tfc_transformer", "transformer", "tresnet", "tresnet_f", "tresnet_l", "tresnet_m", "tresnet_m_v2", "tresnet_n",
            "tresnet_p", "tresnet_s", "tresnet_xl", "unet", "vgg16", "vgg16_bn", "vgg16_leadwise", "vit_base", "vit_cropa_b",
            "vit_grid_base", "vit_grid_small", "vit_grid_tiny", "vit_leads_base", "vit_leads_small", "vit_leads_tiny",
            "vit_register_b", "vit_register_s", "vit_register_xs", "vit_small", "vit_time_base", "vit_time_small",
            "vit_time_tiny", "vit_tiny", "vq_hbr", "wav2vec2", "wide_resnet101_2", "wide_resnet50_2", "xception",
            "xception_leadwise", "xception_vanilla", "xresnet1d101", "xresnet1d18", "xresnet1d34", "xresnet1d50",
        ),
        "heads": ("attention_pooling", "crf", "fcn", "linear", "mlp", "per_step", "unet_decoder"),
        "losses": (
            "asymmetric_loss", "bce_with_logits_with_class_weight_loss", "boundary_loss", "dice_loss", "focal_loss",
            "masked_bce_with_logits_loss", "weighted_bce_loss", "weighted_sum_loss",
        ),
        "models": (
            "ati_cnn", "crnn", "detector", "fcn", "fcn_wang", "rr_af_crf", "rr_af_vanilla", "rr_lstm", "seq_lab", "subtract_unet",
            "unet", "yolo1d",
        ),
    },
    "ecg-preproc": {
        "commands": ("data", "demo"),
        "readers": (
            "aecg", "arrays", "cinc", "cpsc2018", "dicom", "ecgid", "edf", "ludb", "mitdb", "muse", "nstdb", "ptbxl", "scp",
            "wfdb",
        ),
        "transforms": (
            "amplitude_scale", "bandpass", "bandstop", "baseline_remove", "baseline_wander", "clip", "crop_or_pad", "cutmix",
            "cutout_segments", "derive_leads", "gaussian_noise", "highpass", "interpolate_gaps", "label_smooth", "lead_dropout",
            "lead_permute", "lowpass", "magnitude_warp", "min_max_normalize", "mixup", "naive_normalize", "normalize", "notch",
            "powerline_noise", "rand_augment", "random_crop", "random_flip", "random_masking", "random_renormalize",
            "recorded_noise", "remove_spikes", "resample", "select_leads", "spectral_phase_surrogate", "stretch_compress",
            "time_shift", "time_warp", "vcg_rotation", "z_score_normalize",
        ),
    },
    "ecg-ssl": {
        "commands": ("weights",),
        "ssl": (
            "barlow_twins", "byol", "clocs", "clocs_cmlc", "clocs_cmsc", "clocs_cmsmlc", "cmsc", "comet", "cpc", "data2vec",
            "dino", "ecg_bert", "ecg_jepa", "heartlang", "hubert_ecg", "ibot", "isl", "jepa_weimann", "lejepa", "mae", "mae_ecg",
            "mlae", "moco_v1", "moco_v2", "moco_v3", "mtae", "pclr", "simclr", "st_mem", "tfc", "three_kg", "three_m_ecg",
            "vicreg", "vq_hbr", "w2v_cmsc",
        ),
    },
}  # fmt: skip


def shipped_by(kind: str, name: str) -> str | None:
    """The distribution of ours that ships ``name``, installed or not."""
    key = comparison_key(name)
    return next((d for d, kinds in _NAMES.items() if key in map(comparison_key, kinds.get(kind, ()))), None)
