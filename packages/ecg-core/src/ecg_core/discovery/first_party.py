"""Which of our packages ships a name: only for the hint when it is not installed. A test keeps it true."""

from __future__ import annotations

from ecg_core.discovery.names import comparison_key

__all__ = ["shipped_by"]

_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "ecg-backbones": {
        "backbones": ("resnet18", "vit_tiny", "vit_small"),
        "heads": ("linear", "mlp"),
        "losses": (
            "asymmetric_loss", "bce_with_logits_with_class_weight_loss", "boundary_loss", "dice_loss", "focal_loss",
            "masked_bce_with_logits_loss", "weighted_bce_loss", "weighted_sum_loss",
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
            "cutout_segments", "derive_leads", "gaussian_noise", "highpass", "interpolate_gaps", "label_smooth",
            "lead_dropout", "lead_permute", "lowpass", "magnitude_warp", "min_max_normalize", "mixup", "naive_normalize",
            "normalize", "notch", "powerline_noise", "rand_augment", "random_crop", "random_flip", "random_masking",
            "random_renormalize", "recorded_noise", "remove_spikes", "resample", "select_leads", "spectral_phase_surrogate",
            "stretch_compress", "time_shift", "time_warp", "vcg_rotation", "z_score_normalize",
        ),
    },
    "ecg-ssl": {"ssl": ("simclr", "st_mem")},
}  # fmt: skip


def shipped_by(kind: str, name: str) -> str | None:
    """The distribution of ours that ships ``name``, installed or not."""
    key = comparison_key(name)
    return next((d for d, kinds in _NAMES.items() if key in map(comparison_key, kinds.get(kind, ()))), None)
