"""Weights of wav2vec 2.0 with CMSC, as ECG-FM publishes them, to and from the names of their code (fairseq-signals)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["from_official", "is_pretraining_only", "to_official"]

_NAMES = {
    "mask_emb": "mask_token",
    "feature_extractor.conv_layers.0.2.weight": "backbone.channel_norm.weight",
    "feature_extractor.conv_layers.0.2.bias": "backbone.channel_norm.bias",
    "conv_pos.pos_conv.0.bias": "backbone.positions.bias",
    "conv_pos.pos_conv.0.parametrizations.weight.original0": "backbone.positions.length",
    "conv_pos.pos_conv.0.parametrizations.weight.original1": "backbone.positions.direction",
    "quantizer.vars": "quantizer.codebook",
}
_OLDER = {
    "conv_pos.pos_conv.0.weight_g": "backbone.positions.length",
    "conv_pos.pos_conv.0.weight_v": "backbone.positions.direction",
}
_BEFORE = {
    "layer_norm.": "backbone.local_norm.",
    "post_extract_proj.": "backbone.project.",
    "encoder.layer_norm.": "backbone.norm.",
    "quantizer.weight_proj.": "quantizer.choose.",
    "project_q.": "project_codes.",
    "final_proj.": "project_steps.",
}
_IN_BLOCK = {
    "self_attn.out_proj": "attention.out",
    "self_attn_layer_norm": "attention_norm",
    "fc1": "mlp.0",
    "fc2": "mlp.2",
    "final_layer_norm": "mlp_norm",
}
_CONVOLUTION = re.compile(r"feature_extractor\.conv_layers\.(\d+)\.0\.weight")
_BLOCK = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")


def is_pretraining_only(name: str) -> bool:
    """Whether a tensor is no part of the encoder: the learned token of hidden steps, codes and heads."""
    return name == "mask_emb" or name.startswith(("quantizer.", "project_q.", "final_proj.", "proj."))


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of our ``W2VCMSC`` from an official one; names of the backbone begin with ``backbone.``.

    Args:
        state: Official names and tensors, with weight normalisation in its older or its newer form.

    Raises:
        ValueError: A name is unknown.
    """
    ours: dict[str, Tensor] = {}
    attention: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        before = next((begin for begin in _BEFORE if name.startswith(begin)), None)
        convolution, block = _CONVOLUTION.fullmatch(name), _BLOCK.fullmatch(name)
        if name == "quantizer.vars":
            groups = state["quantizer.weight_proj.weight"].shape[0] // _codes(state)
            ours[_NAMES[name]] = value.reshape(groups, -1, value.shape[-1])
        elif name in _NAMES or name in _OLDER:
            ours[(_NAMES | _OLDER)[name]] = value
        elif convolution:
            ours[f"backbone.convolutions.{convolution[1]}.weight"] = value
        elif block and block[2] in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"):
            attention.setdefault(f"backbone.blocks.{block[1]}.attention.qkv.{block[3]}", {})[block[2][10]] = value
        elif block and block[2] in _IN_BLOCK:
            ours[f"backbone.blocks.{block[1]}.{_IN_BLOCK[block[2]]}.{block[3]}"] = value
        elif before is not None:
            ours[_BEFORE[before] + name.removeprefix(before)] = value
        else:
            raise ValueError(f"'{name}' is no name of a fairseq-signals state dict of wav2vec 2.0; pass the weights alone")
    return ours | {name: torch.cat([parts[letter] for letter in "qkv"]) for name, parts in attention.items()}


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The official state dict of ours, in the newer form of weight normalisation.

    Args:
        state: Our names and tensors.

    Raises:
        ValueError: A name is unknown.
    """
    theirs: dict[str, Tensor] = {}
    names = {ours: name for name, ours in _NAMES.items()}
    inside = {ours: name for name, ours in _IN_BLOCK.items()}
    for name, value in state.items():
        if name == "quantizer.updates":
            continue  # the temperature is a number of the training there
        before = next((mine for mine in _BEFORE.values() if name.startswith(mine)), None)
        convolution = re.fullmatch(r"backbone\.convolutions\.(\d+)\.weight", name)
        block = re.fullmatch(r"backbone\.blocks\.(\d+)\.(.+)\.(weight|bias)", name)
        if name == "quantizer.codebook":
            theirs["quantizer.vars"] = value.flatten(0, 1)[None]
        elif name in names:
            theirs[names[name]] = value
        elif convolution:
            theirs[f"feature_extractor.conv_layers.{convolution[1]}.0.weight"] = value
        elif block and block[2] == "attention.qkv":
            for letter, part in zip("qkv", value.chunk(3), strict=True):
                theirs[f"encoder.layers.{block[1]}.self_attn.{letter}_proj.{block[3]}"] = part
        elif block and block[2] in inside:
            theirs[f"encoder.layers.{block[1]}.{inside[block[2]]}.{block[3]}"] = value
        elif before is not None:
            begin = next(official for official, mine in _BEFORE.items() if mine == before)
            theirs[begin + name.removeprefix(before)] = value
        else:
            raise ValueError(f"'{name}' is no name of W2VCMSC over wav2vec2")
    return theirs


def _codes(state: Mapping[str, Tensor]) -> int:
    """Codes of a group: a group's codes are as wide as the projected ones over the groups."""
    everything, part = state["quantizer.vars"].shape[1:]
    return everything // (state["project_q.weight"].shape[1] // part)
