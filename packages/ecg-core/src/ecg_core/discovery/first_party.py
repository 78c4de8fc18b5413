"""Which of our packages ships a name: only for the hint when it is not installed. A test keeps it true."""

from __future__ import annotations

from ecg_core.discovery.names import comparison_key

__all__ = ["shipped_by"]

_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "ecg-backbones": {"backbones": ("resnet18", "vit_tiny", "vit_small"), "heads": ("linear", "mlp")},
    "ecg-preproc": {
        "commands": ("data", "demo"),
        "readers": (
            "aecg", "arrays", "cinc", "cpsc2018", "dicom", "ecgid", "edf", "ludb", "mitdb", "muse", "nstdb", "ptbxl", "scp",
            "wfdb",
        ),
        "transforms": (
            "bandpass", "baseline_remove", "baseline_wander", "crop", "gaussian_noise", "lead_dropout", "normalize",
            "random_masking", "resample",
        ),
    },
    "ecg-ssl": {"ssl": ("simclr", "st_mem")},
}  # fmt: skip


def shipped_by(kind: str, name: str) -> str | None:
    """The distribution of ours that ships ``name``, installed or not."""
    key = comparison_key(name)
    return next((d for d, kinds in _NAMES.items() if key in map(comparison_key, kinds.get(kind, ()))), None)
