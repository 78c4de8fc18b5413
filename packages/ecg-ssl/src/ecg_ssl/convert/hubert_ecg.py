"""HuBERT-ECG weights to and from the names of the published code, which are those of HuBERT in ``transformers``."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["from_official", "is_pretraining_only", "to_official"]

# (official, ours)
_NAMES = {
    "masked_spec_embed": "mask_token",
    "feature_extractor.conv_layers.0.layer_norm.weight": "backbone.channel_norm.weight",
    "feature_extractor.conv_layers.0.layer_norm.bias": "backbone.channel_norm.bias",
    "feature_projection.layer_norm.weight": "backbone.local_norm.weight",
    "feature_projection.layer_norm.bias": "backbone.local_norm.bias",
    "feature_projection.projection.weight": "backbone.project.weight",
    "feature_projection.projection.bias": "backbone.project.bias",
    "encoder.pos_conv_embed.conv.bias": "backbone.positions.bias",
    "encoder.pos_conv_embed.conv.parametrizations.weight.original0": "backbone.positions.length",
    "encoder.pos_conv_embed.conv.parametrizations.weight.original1": "backbone.positions.direction",
    "encoder.layer_norm.weight": "backbone.norm.weight",
    "encoder.layer_norm.bias": "backbone.norm.bias",
}
_OLDER = {
    "encoder.pos_conv_embed.conv.weight_g": "backbone.positions.length",
    "encoder.pos_conv_embed.conv.weight_v": "backbone.positions.direction",
}
_IN_BLOCK = {
    "attention.out_proj": "attention.out",
    "layer_norm": "attention_norm",
    "feed_forward.intermediate_dense": "mlp.0",
    "feed_forward.output_dense": "mlp.2",
    "final_layer_norm": "mlp_norm",
}
_NUMBERED = (
    (r"feature_extractor\.conv_layers\.(\d+)\.conv\.weight", r"backbone.convolutions.\1.weight"),
    (r"final_proj\.(\d+)\.(weight|bias)", r"heads.\1.project.\2"),
    (r"label_embedding\.(\d+)\.weight", r"heads.\1.codes"),
)
_BACK = (
    (r"backbone\.convolutions\.(\d+)\.weight", r"feature_extractor.conv_layers.\1.conv.weight"),
    (r"heads\.(\d+)\.project\.(weight|bias)", r"final_proj.\1.\2"),
    (r"heads\.(\d+)\.codes", r"label_embedding.\1.weight"),
)
_BLOCK = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
_OUR_BLOCK = re.compile(r"backbone\.blocks\.(\d+)\.(.+)\.(weight|bias)")
_QUERIES = {f"attention.{letter}_proj": letter for letter in "qkv"}


def is_pretraining_only(name: str) -> bool:
    """Whether an official tensor is no part of the encoder."""
    return name == "masked_spec_embed" or name.startswith(("final_proj.", "label_embedding.", "classifier."))


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict of an official one, for a ``HuBERTECG`` over ``hubert_ecg_base`` and its sizes.

    Codebooks are no part of it: the published code keeps them in files of their own, which hold objects of scikit-learn.

    Args:
        state: Official names and tensors: what is under ``model_state_dict``, with either form of weight normalisation.

    Raises:
        ValueError: A name is unknown.
    """
    ours: dict[str, Tensor] = {}
    attention: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        block = _BLOCK.fullmatch(name)
        numbered = _numbered(name, _NUMBERED)
        if name in _NAMES or name in _OLDER:
            ours[(_NAMES | _OLDER)[name]] = value
        elif numbered is not None:
            ours[numbered] = value
        elif block and block[2] in _QUERIES:
            attention.setdefault(f"backbone.blocks.{block[1]}.attention.qkv.{block[3]}", {})[_QUERIES[block[2]]] = value
        elif block and block[2] in _IN_BLOCK:
            ours[f"backbone.blocks.{block[1]}.{_IN_BLOCK[block[2]]}.{block[3]}"] = value
        else:
            raise ValueError(f"'{name}' is no name of a HuBERT-ECG state dict; pass the weights alone, without classifier")
    return ours | {name: torch.cat([parts[letter] for letter in "qkv"]) for name, parts in attention.items()}


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The official state dict of ours, in the newer form of weight normalisation; codebooks are left out.

    Args:
        state: Our names and tensors.

    Raises:
        ValueError: A name is unknown.
    """
    theirs: dict[str, Tensor] = {}
    names = {ours: name for name, ours in _NAMES.items()}
    inside = {ours: name for name, ours in _IN_BLOCK.items()}
    for name, value in state.items():
        block = _OUR_BLOCK.fullmatch(name)
        numbered = _numbered(name, _BACK)
        if name.startswith(("codebooks.", "usage.", "teacher.")):
            continue
        if name in names:
            theirs[names[name]] = value
        elif numbered is not None:
            theirs[numbered] = value
        elif block and block[2] == "attention.qkv":
            for letter, part in zip("qkv", value.chunk(3), strict=True):
                theirs[f"encoder.layers.{block[1]}.attention.{letter}_proj.{block[3]}"] = part
        elif block and block[2] in inside:
            theirs[f"encoder.layers.{block[1]}.{inside[block[2]]}.{block[3]}"] = value
        else:
            raise ValueError(f"'{name}' is no name of HuBERTECG over a hubert_ecg backbone")
    return theirs


def _numbered(name: str, table: tuple[tuple[str, str], ...]) -> str | None:
    """The other name of a numbered one; ``None`` if it is none."""
    for pattern, other in table:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, other, name)
    return None
