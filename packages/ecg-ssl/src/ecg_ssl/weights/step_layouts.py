"""Published models that compare steps or spectra, whose files are read. None of their weights is shipped."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ecg_ssl.convert import cpc, tfc
from ecg_ssl.weights.layout import Layout, Tensors, blocks_of

__all__ = ["STEP_LAYOUTS"]

_FIRST = "transformer_encoder_t.layers.0."


def _tfc(state: Tensors) -> dict[str, Any]:
    hidden, patch = state[f"{_FIRST}linear1.weight"].shape
    return {
        "name": "tfc_transformer",
        "in_leads": 1,
        "patch_size": patch,
        "depth": blocks_of(state, "transformer_encoder_t.layers."),
        "mlp_ratio": hidden / patch,
    }


def _samples(state: Tensors) -> int:
    """A file of TF-C is of one length of windows."""
    return state[f"{_FIRST}linear1.weight"].shape[1]


def _cpc(state: Tensors) -> dict[str, Any]:
    convolutions = [state[f"encoder.{number}.0.weight"] for number in range(blocks_of(state, "encoder."))]
    return {
        "name": "cpc_encoder",
        "in_leads": convolutions[0].shape[1],
        "widths": [len(c) for c in convolutions],
        "kernel_sizes": [c.shape[2] for c in convolutions],
        "strides": [1 for _ in convolutions],
        "context_width": state["rnn.weight_hh_l0"].shape[1],
        "context_layers": sum(name.startswith("rnn.weight_hh_l") for name in state),
    }


def _backbone(state: Tensors) -> dict[str, Tensor]:
    return {name.removeprefix("backbone."): value for name, value in state.items() if name.startswith("backbone.")}


# TF-C's repository reads windows of one channel; its length is baked into the encoder.
_TFC: dict[str, Any] = {
    "source": "https://github.com/mims-harvard/TFC-pretraining",
    "licence": "MIT",
    "holds": (f"{_FIRST}self_attn.in_proj_weight", f"{_FIRST}linear1.weight"),
    "config": _tfc,
    "convert": lambda state: _backbone(tfc.from_official(state)),
    "leads": ("II",),
    "left_out": lambda name: name.startswith(("transformer_encoder_f.", "projector_")),
    "beside": lambda name: name.startswith(("transformer_encoder_f.", "projector_", "logits")),
}

STEP_LAYOUTS = (
    Layout(
        "tfc",
        "TF-C (Zhang et al., NeurIPS 2022), windows of 5 s of one lead",
        fs=300.0,
        seconds=5.0,
        pipeline=({"name": "resample", "fs": 300.0},),
        fits=lambda state: _samples(state) == 1500,
        **_TFC,
    ),
    Layout(
        "tfc_sleep_eeg",
        "TF-C (Zhang et al., NeurIPS 2022), windows of 178 samples, trained on EEG of sleep",
        fs=100.0,
        seconds=1.78,
        pipeline=({"name": "resample", "fs": 100.0},),
        fits=lambda state: _samples(state) == 178,
        **_TFC,
    ),
    Layout(
        "cpc",
        "CPC for ECG (Mehari and Strodthoff, 2022)",
        "https://github.com/hhi-aml/ecg-selfsupervised",
        "GPL-3.0 for the code; the weights are their authors'",
        holds=("encoder.0.0.weight", "encoder.0.1.running_mean", "rnn.weight_ih_l0", "rnn.weight_hh_l0"),
        config=_cpc,
        convert=lambda state: _backbone(cpc.from_official(state)),
        fs=100.0,
        seconds=10.0,
        # The authors then standardise every lead by PTB_XL_MEAN and PTB_XL_STD of ecg_ssl.convert.cpc.
        pipeline=({"name": "resample", "fs": 100.0},),
        prefixes=("", "model_cpc.", "module.", "module.model_cpc."),
        left_out=lambda name: name.startswith(("proj.", "head.")),
        beside=lambda name: name.startswith("head."),
    ),
)
"""In the order in which a file is compared with them."""
