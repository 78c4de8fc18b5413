"""HeartLang's weights, those of the encoder and those of its tokenizer VQ-HBR, to and from the names of the published code."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["from_official", "tokenizer_from_official", "tokenizer_to_official", "to_official"]

# (official, ours), of a transformer of sentences
_NAMES = {
    "token_embed.tokenConv.weight": "convolution.weight",
    "cls_token": "class_token",
    "pos_embed": "positions",
    "spa_embed.embed.weight": "lead_embedding.weight",
    "tem_embed.embed.weight": "time_embedding.weight",
    "norm_layer.weight": "norm.weight",
    "norm_layer.bias": "norm.bias",
}
_IN_BLOCK = {
    "0.norm": "attention_norm",
    "0.to_qkv": "attention.qkv",
    "0.to_out.0": "attention.out",
    "1.net.0": "mlp_norm",
    "1.net.1": "mlp.0",
    "1.net.4": "mlp.2",
}
_HEADS = {"encode_task_layer.": "backbone.project.", "decode_task_layer.": "draw."}
_OURS = {name: official for official, name in _NAMES.items()}
_OUR_BLOCK = {name: official for official, name in _IN_BLOCK.items()}


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict of an official one, for a ``HeartLang`` over ``heartlang``; the tokenizer is another file.

    Args:
        state: What is under ``model`` in an official file.

    Raises:
        ValueError: A name is unknown.
    """
    ours: dict[str, Tensor] = {}
    for name, value in state.items():
        if name == "mask_token":
            ours[name] = value.flatten()
        elif name.startswith("lm_head."):
            ours[name.replace("lm_head", "head", 1)] = value
        else:
            ours[f"backbone.encoder.{_renamed(name)}"] = value
    return ours


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The official state dict of ours, without the tokenizer.

    Args:
        state: Our names and tensors.

    Raises:
        ValueError: A name is unknown.
    """
    theirs: dict[str, Tensor] = {}
    for name, value in state.items():
        if name == "mask_token":
            theirs[name] = value[None, None]
        elif name.startswith("head."):
            theirs[name.replace("head", "lm_head", 1)] = value
        elif not name.startswith(("tokenizer.", "usage.")):
            theirs[_official(name, "backbone.encoder.")] = value
    return theirs


def tokenizer_from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict of an official one of VQ-HBR, for a ``VQHBR`` over ``vq_hbr``.

    Mask tokens, which nothing uses there, and the sums behind the codes, which nothing reads, are left out.

    Args:
        state: What is under ``model`` in an official file.

    Raises:
        ValueError: A name is unknown.
    """
    ours: dict[str, Tensor] = {}
    for name, value in state.items():
        head = next((begin for begin in _HEADS if name.startswith(begin)), None)
        part, _, rest = name.partition(".")
        if head is not None:
            ours[_HEADS[head] + name.removeprefix(head)] = value
        elif part in ("encoder", "decoder") and rest != "mask_token":
            ours[("backbone.encoder." if part == "encoder" else "decoder.") + _renamed(rest)] = value
        elif name == "quantize.embedding.weight":
            ours["backbone.quantizer.codebook"] = value
        elif name == "quantize.cluster_size":
            ours["backbone.quantizer.usage"] = value
        elif name == "quantize.embedding.initted":
            ours["backbone.quantizer.begun"] = value.flatten()[0] > 0
        elif rest != "mask_token" and name not in ("quantize.embedding.cluster_size", "quantize.embedding.embed_avg"):
            raise ValueError(f"'{name}' is no name of a VQ-HBR state dict; pass the model's weights alone")
    return ours


def tokenizer_to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The official state dict of ours of VQ-HBR, without what :func:`tokenizer_from_official` leaves out.

    Args:
        state: Our names and tensors.

    Raises:
        ValueError: A name is unknown.
    """
    theirs: dict[str, Tensor] = {}
    codebook = {"codebook": "embedding.weight", "usage": "cluster_size", "begun": "embedding.initted"}
    for name, value in state.items():
        head = next((begin for begin, mine in _HEADS.items() if name.startswith(mine)), None)
        if head is not None:
            theirs[head + name.removeprefix(_HEADS[head])] = value
        elif name.startswith("backbone.quantizer.") and name.rpartition(".")[2] in codebook:
            kind = name.rpartition(".")[2]
            theirs[f"quantize.{codebook[kind]}"] = value.to(torch.float32)[None] if kind == "begun" else value
        elif name.startswith("decoder."):
            theirs[f"decoder.{_official(name, 'decoder.')}"] = value
        else:
            theirs[f"encoder.{_official(name, 'backbone.encoder.')}"] = value
    return theirs


def _renamed(name: str) -> str:
    block = re.fullmatch(r"transformer\.layers\.(\d+)\.(.+)\.(weight|bias)", name)
    if name in _NAMES:
        return _NAMES[name]
    if block and block[2] in _IN_BLOCK:
        return f"blocks.{block[1]}.{_IN_BLOCK[block[2]]}.{block[3]}"
    raise ValueError(f"'{name}' is no name of a HeartLang state dict; pass the model's weights alone, without classifier")


def _official(name: str, before: str) -> str:
    rest = name.removeprefix(before)
    block = re.fullmatch(r"blocks\.(\d+)\.(.+)\.(weight|bias)", rest)
    if name.startswith(before) and rest in _OURS:
        return _OURS[rest]
    if name.startswith(before) and block and block[2] in _OUR_BLOCK:
        return f"transformer.layers.{block[1]}.{_OUR_BLOCK[block[2]]}.{block[3]}"
    raise ValueError(f"'{name}' is no name of HeartLang over heartlang, nor of VQHBR over vq_hbr")
