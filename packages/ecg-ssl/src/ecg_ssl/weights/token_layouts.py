"""Published models that were trained to predict tokens, whose files are read. None of their weights is shipped."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ecg_ssl.convert import heartlang, hubert_ecg
from ecg_ssl.weights.layout import Layout, Tensors, blocks_of

__all__ = ["TOKEN_LAYOUTS"]


def _hubert_ecg(state: Tensors) -> dict[str, Any]:
    conv_width, _, _ = state["feature_extractor.conv_layers.0.conv.weight"].shape
    count = blocks_of(state, "feature_extractor.conv_layers.")
    kernels = [state[f"feature_extractor.conv_layers.{number}.conv.weight"].shape[2] for number in range(count)]
    width = state["feature_projection.projection.weight"].shape[0]
    direction = next(v for name, v in state.items() if name.startswith("encoder.pos_conv_embed.conv.") and v.numel() > 1e3)
    return {
        "name": "hubert_ecg_base",
        "in_leads": 12,
        "conv_width": conv_width,
        "kernels": kernels,
        "strides": [4, *(2 for _ in kernels[1:])],
        "width": width,
        "depth": blocks_of(state, "encoder.layers."),
        "heads": 8 if width == 512 else 12,
        "mlp_ratio": state["encoder.layers.0.feed_forward.intermediate_dense.weight"].shape[0] / width,
        "position_kernel": direction.shape[2],
        "position_groups": width // direction.shape[1],
        "decimate": 5,
        "joined": True,
    }


def _sentences(state: Tensors) -> dict[str, Any]:
    width, token_len, _ = state["token_embed.tokenConv.weight"].shape
    heads = state["transformer.layers.0.0.to_qkv.weight"].shape[0] // (3 * 64)
    return {
        "in_leads": 12,
        "fs": 100.0,
        "token_len": token_len,
        "max_tokens": state["pos_embed"].shape[1] - 1,
        "peak_leads": "first",
        "centred": False,
        "width": width,
        "depth": blocks_of(state, "transformer.layers."),
        "heads": heads,
        "head_width": 64,
        "mlp_width": state["transformer.layers.0.1.net.1.weight"].shape[0],
        "attend_padding": True,
    }


def _heartlang(state: Tensors) -> dict[str, Any]:
    return {"name": "heartlang", **_sentences(state)}


def _vq_hbr(state: Tensors) -> dict[str, Any]:
    codes, width = state["quantize.embedding.weight"].shape
    encoder = {name.removeprefix("encoder."): value for name, value in state.items() if name.startswith("encoder.")}
    return {"name": "vq_hbr", **_sentences(encoder), "codes": codes, "code_width": width}


def _unused(name: str) -> bool:
    """What a file of VQ-HBR holds beside its encoder and its codes."""
    return name.startswith(("decoder.", "decode_task_layer.")) or name in (
        "encoder.mask_token",
        "quantize.embedding.cluster_size",
        "quantize.embedding.embed_avg",
    )


_HEARTLANG: dict[str, Any] = {
    "source": "https://github.com/PKUDigitalHealth/HeartLang",
    "licence": "MIT",
    "fs": 100.0,
    "seconds": 10.0,
    "pipeline": ({"name": "resample", "fs": 100.0}, {"name": "z_score_normalize"}),
}


def _without_prefix(state: Tensors) -> dict[str, Tensor]:
    return {name.removeprefix("backbone."): value for name, value in state.items()}


TOKEN_LAYOUTS = (
    Layout(
        "hubert_ecg",
        "HuBERT-ECG (Coppola et al., 2024), small, base or large",
        "https://github.com/Edoar-do/HuBERT-ECG",
        "CC BY-NC 4.0: not for commercial use",
        holds=(
            "feature_extractor.conv_layers.0.conv.weight",
            "feature_projection.projection.weight",
            "encoder.pos_conv_embed.conv.bias",
            "encoder.layers.0.feed_forward.intermediate_dense.weight",
        ),
        config=_hubert_ecg,
        convert=lambda state: _without_prefix(hubert_ecg.from_official(state)),
        fs=500.0,
        seconds=5.0,
        pipeline=(
            {"name": "bandpass", "low": 0.05, "high": 47.0},
            {"name": "resample", "fs": 500.0},
            {"name": "min_max_normalize", "per_lead": True},
            {"name": "naive_normalize", "mean": 0.5, "std": 0.5},  # to [-1, 1]
        ),
        prefixes=("", "module.", "hubert_ecg.", "module.hubert_ecg."),
        left_out=hubert_ecg.is_pretraining_only,
        beside=hubert_ecg.is_pretraining_only,
    ),
    Layout(
        "heartlang",
        "HeartLang (Jin et al., ICLR 2025)",
        holds=("token_embed.tokenConv.weight", "cls_token", "spa_embed.embed.weight", "transformer.layers.0.0.to_qkv.weight"),
        config=_heartlang,
        convert=lambda state: _without_prefix(heartlang.from_official(state)),
        prefixes=("", "module.", "backbone.", "module.backbone."),
        left_out=lambda name: name == "mask_token" or name.startswith("lm_head."),
        beside=lambda name: name.startswith("mlp_head."),
        **_HEARTLANG,
    ),
    Layout(
        "vq_hbr",
        "VQ-HBR, HeartLang's tokenizer (Jin et al., ICLR 2025)",
        holds=("encoder.token_embed.tokenConv.weight", "encode_task_layer.0.weight", "quantize.embedding.weight"),
        config=_vq_hbr,
        convert=lambda state: _without_prefix(heartlang.tokenizer_from_official(state)),
        left_out=_unused,
        **_HEARTLANG,
    ),
)
"""In the order in which a file is compared with them."""
