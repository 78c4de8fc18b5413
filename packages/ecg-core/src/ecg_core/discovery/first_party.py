"""Which of our packages ships a name: only for the hint when it is not installed. A test keeps it true."""

from __future__ import annotations

from ecg_core.discovery.names import comparison_key

__all__ = ["shipped_by"]

_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "ecg-backbones": {"backbones": ("resnet18", "vit_tiny", "vit_small"), "heads": ("linear", "mlp")},
    "ecg-preproc": {
        "commands": ("demo",),
        "readers": ("ptbxl", "wfdb"),
        "transforms": (
            "amplitude_scale", "bandpass", "bandstop", "baseline_remove", "baseline_wander", "cutmix", "cutout_segments",
            "gaussian_noise", "label_smooth", "lead_dropout", "lead_permute", "magnitude_warp", "mixup", "normalize",
            "powerline_noise", "rand_augment", "random_crop", "random_flip", "random_masking", "random_renormalize",
            "recorded_noise", "resample", "spectral_phase_surrogate", "stretch_compress", "time_shift", "time_warp",
            "vcg_rotation",
        ),
    },
    "ecg-ssl": {"ssl": ("simclr", "st_mem")},
}  # fmt: skip


def shipped_by(kind: str, name: str) -> str | None:
    """The distribution of ours that ships ``name``, installed or not."""
    key = comparison_key(name)
    return next((d for d, kinds in _NAMES.items() if key in map(comparison_key, kinds.get(kind, ()))), None)
