"""The published models whose files are read. None of their weights is shipped, and no code of theirs is used."""

from __future__ import annotations

import difflib
from functools import partial
from typing import Any

from torch import Tensor

from ecg_core.errors import ConfigError
from ecg_ssl.convert import clocs, ecg_jepa, ecgfounder, jepa_weimann, mtae, st_mem, w2v_cmsc
from ecg_ssl.weights.contrastive_layouts import CONTRASTIVE_LAYOUTS
from ecg_ssl.weights.layout import Layout, Tensors, blocks_of
from ecg_ssl.weights.step_layouts import STEP_LAYOUTS
from ecg_ssl.weights.token_layouts import TOKEN_LAYOUTS

__all__ = ["LAYOUTS", "layout"]


def _is_head(name: str) -> bool:
    return name.startswith(("head.", "mlp_head."))


def _is_beside(name: str) -> bool:
    """What full files of ST-MEM's repository hold beside the encoder, and the patch embedding, which they hold twice."""
    parts = ("mask_embedding", "decoder_", "to_decoder_embedding.", "to_patch_embedding.")
    return name.removeprefix("module.").startswith(parts)


def _transformer(state: Tensors, *, name: str, leads_of_patch: int = 1) -> dict[str, Any]:
    width, values = state["to_patch_embedding.2.weight"].shape
    return {
        "name": name,
        "patch_size": values // leads_of_patch,
        "in_leads": 12,
        "width": width,
        "depth": blocks_of(state, "block"),
        "heads": state["block0.attn.fn.to_qkv.weight"].shape[0] // (3 * 64),
        "head_width": 64,
        "mlp_ratio": state["block0.ff.fn.net.0.weight"].shape[0] / width,
    }


def _is_mlae(state: Tensors) -> bool:
    """One token per lead: 12 and the class token."""
    return state["pos_embedding"].shape[1] == 13


_FIRST_BLOCK = "stage_list.0.block_list.0."


def _net1d(state: Tensors) -> dict[str, Any]:
    stem = state["first_conv.conv.weight"]
    stages = blocks_of(state, "stage_list.")
    first = [f"stage_list.{stage}.block_list." for stage in range(stages)]
    long = state[f"{_FIRST_BLOCK}conv2.conv.weight"]
    return {
        "name": "net1d_ecgfounder",
        "in_leads": stem.shape[1],
        "stem_width": stem.shape[0],
        "widths": [state[f"{before}0.conv3.conv.weight"].shape[0] for before in first],
        "depths": [blocks_of(state, before) for before in first],
        "kernel_size": stem.shape[2],
        "group_width": long.shape[1],
        "ratio": long.shape[0] / state[f"{_FIRST_BLOCK}conv3.conv.weight"].shape[0],
    }


def _wav2vec2(state: Tensors) -> dict[str, Any]:
    conv_width, leads, _ = state["feature_extractor.conv_layers.0.0.weight"].shape
    width = state["post_extract_proj.weight"].shape[0]
    bias = state["conv_pos.pos_conv.0.bias"]
    direction = next(
        v for name, v in state.items() if name.startswith("conv_pos.pos_conv.0.") and v.ndim == 3 and len(v) == len(bias)
    )
    return {
        "name": "wav2vec2",
        "in_leads": leads,
        "conv_width": conv_width,
        "conv_layers": blocks_of(state, "feature_extractor.conv_layers."),
        "width": width,
        "depth": blocks_of(state, "encoder.layers."),
        "heads": 12,
        "mlp_ratio": state["encoder.layers.0.fc1.weight"].shape[0] / width,
        "position_kernel": direction.shape[2],
        "position_groups": width // direction.shape[1],
    }


def _cropa(state: Tensors) -> dict[str, Any]:
    width, patch = state["W_P.weight"].shape
    first = "encoder_blocks.blocks."
    ratio = state[f"{first}0.mlp.fc1.weight"].shape[0] / width
    depth = blocks_of(state, first)
    return {
        "name": "vit_cropa_b",
        "in_leads": 8,
        "width": width,
        "depth": depth,
        "heads": 16,
        "mlp_ratio": ratio,
        "patch_size": patch,
    }


def _register(state: Tensors) -> dict[str, Any]:
    width, leads, patch = state["patch_embed.proj.weight"].shape
    return {
        "name": "vit_register_s",
        "in_leads": leads,
        "width": width,
        "depth": blocks_of(state, "blocks."),
        "heads": {192: 4, 384: 6, 768: 12}.get(width, width // 64),
        "mlp_ratio": state["blocks.0.mlp.fc1.weight"].shape[0] / width,
        "patch_size": patch,
        "registers": state["registers"].shape[1],
    }


def _without_prefix(state: Tensors) -> dict[str, Tensor]:
    return {name.removeprefix("backbone."): value for name, value in state.items()}


def _clocs(state: Tensors) -> dict[str, Any]:
    convolutions = [state[f"view_modules.0.{number}.weight"] for number in (0, 5, 10)]
    return {"name": "clocs_cnn", "in_leads": 1, "widths": [len(c) for c in convolutions], "kernel_size": convolutions[0].shape[2]}


def _of_a_jepa(name: str) -> bool:
    """What stands beside the encoder in files of either JEPA."""
    return name.startswith(("target_encoder.", "predictor."))


# ST-MEM's repository holds three models that share all but their tokens.
_ST_MEM: dict[str, Any] = {
    "source": "https://github.com/vuno/ST-MEM",
    "licence": "CC BY-NC 4.0 with a notice of VUNO: not for commercial use",
    "fs": 250.0,
    "seconds": 9.0,
    "pipeline": (
        {"name": "bandpass", "low": 0.67, "high": 40.0},
        {"name": "resample", "fs": 250.0},
        {"name": "z_score_normalize", "per_lead": False},
    ),
    "prefixes": ("encoder.", "module.encoder.", "", "module."),
    "left_out": _is_head,
    "beside": _is_beside,
}
_CLASS_TOKEN = ("cls_embedding", "pos_embedding", "to_patch_embedding.2.weight", "block0.attn.fn.to_qkv.weight")

_ALL = (
    Layout(
        "st_mem",
        "ST-MEM (Na et al., ICLR 2024)",
        holds=("sep_embedding", "lead_embeddings.0", "to_patch_embedding.2.weight", "block0.attn.fn.to_qkv.weight"),
        config=partial(_transformer, name="vit_base"),
        convert=st_mem.from_official,
        **_ST_MEM,
    ),
    Layout(
        "mtae",
        "MTAE, of ST-MEM's repository",
        holds=_CLASS_TOKEN,
        config=partial(_transformer, name="vit_time_base", leads_of_patch=12),
        convert=mtae.from_official,
        fits=lambda state: not _is_mlae(state),
        **_ST_MEM,
    ),
    Layout(
        "mlae",
        "MLAE, of ST-MEM's repository",
        holds=_CLASS_TOKEN,
        config=partial(_transformer, name="vit_leads_base"),
        convert=mtae.from_official,
        fits=_is_mlae,
        **_ST_MEM,
    ),
    Layout(
        "ecgfounder",
        "ECGFounder (Li et al., NEJM AI 2025), trained with labels",
        "https://github.com/PKUDigitalHealth/ECGFounder",
        "MIT",
        holds=("first_conv.conv.weight", f"{_FIRST_BLOCK}conv2.conv.weight", f"{_FIRST_BLOCK}se_fc1.weight"),
        config=_net1d,
        convert=ecgfounder.from_official,
        fs=500.0,
        seconds=10.0,
        pipeline=(
            {"name": "bandpass", "low": 0.67, "high": 40.0},
            {"name": "notch", "frequency": 50.0},
            {"name": "baseline_remove", "method": "median"},
            {"name": "resample", "fs": 500.0},
            {"name": "z_score_normalize", "per_lead": False},
        ),
        left_out=ecgfounder.is_left_out,
    ),
    Layout(
        "ecg_fm",
        "ECG-FM (McKeen et al., JAMIA Open 2025), or another wav2vec 2.0 of fairseq-signals",
        "https://github.com/bowang-lab/ECG-FM",
        "MIT",
        holds=("post_extract_proj.weight", "conv_pos.pos_conv.0.bias", "encoder.layers.0.self_attn.q_proj.weight"),
        config=_wav2vec2,
        convert=lambda state: _without_prefix(w2v_cmsc.from_official(state)),
        fs=500.0,
        seconds=5.0,
        pipeline=({"name": "resample", "fs": 500.0},),
        prefixes=("", "encoder.", "module."),
        left_out=w2v_cmsc.is_pretraining_only,
        beside=w2v_cmsc.is_pretraining_only,
    ),
    Layout(
        "ecg_jepa",
        "ECG-JEPA (Kim, 2024), an encoder of eight leads",
        "https://github.com/sehunfromdaegu/ECG_JEPA",
        "MIT",
        holds=("pos_embed", "W_P.weight", "encoder_blocks.blocks.0.attn.qkv.weight"),
        config=_cropa,
        convert=ecg_jepa.backbone_from_official,
        fs=250.0,
        seconds=10.0,
        leads=("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"),
        pipeline=({"name": "resample", "fs": 250.0},),
        prefixes=("", "encoder.", "module."),
        beside=_of_a_jepa,
    ),
    Layout(
        "jepa_weimann",
        "JEPA for ECG (Weimann and Conrad, 2024)",
        "https://github.com/kweimann/ECG-JEPA",
        "MIT for the code; the weights are their authors'",
        holds=("registers", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "norm.weight"),
        config=_register,
        convert=jepa_weimann.backbone_from_official,
        fs=500.0,
        seconds=10.0,
        pipeline=({"name": "resample", "fs": 500.0},),
        prefixes=("", "encoder.", "module."),
        beside=_of_a_jepa,
    ),
    Layout(
        "clocs",
        "CLOCS (Kiyasseh et al., ICML 2021), an encoder of one lead",
        "https://github.com/danikiyasseh/CLOCS",
        "CC BY-NC-SA 4.0: not for commercial use",
        holds=("view_modules.0.0.weight", "view_modules.0.10.weight"),
        config=_clocs,
        convert=lambda state: _without_prefix(clocs.from_official(state)),
        fs=500.0,
        seconds=5.0,
        leads=("II",),
        pipeline=({"name": "resample", "fs": 500.0}, {"name": "min_max_normalize"}),
        prefixes=("", "first_model.", "module."),
        left_out=lambda name: name.startswith(("view_linear_modules.", "linear.")),
        beside=lambda name: name.startswith("linear."),
    ),
)
LAYOUTS: dict[str, Layout] = {one.name: one for one in (*_ALL, *TOKEN_LAYOUTS, *STEP_LAYOUTS, *CONTRASTIVE_LAYOUTS)}
"""By the name that ``ecg weights import --layout`` takes."""


def layout(name: str) -> Layout:
    """A layout by name.

    Raises:
        ConfigError: There is none.
    """
    if name not in LAYOUTS:
        near = difflib.get_close_matches(name, LAYOUTS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"there is no layout {name!r}{hint} (known: {', '.join(LAYOUTS)})")
    return LAYOUTS[name]
