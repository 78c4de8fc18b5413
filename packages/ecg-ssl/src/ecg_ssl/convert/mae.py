"""Weights of image MAE (He et al., CVPR 2022) to and from the names of its official code.

An image is a grid as leads and times are, rows before columns; an official file stores the fixed positions of its square grid.
We compute positions: they are checked on the way in and made on the way out. Its blocks can start an ECG encoder of the same
width: :func:`inflate_from_image_mae`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ecg_core.layers.positions import grid_positions
from ecg_ssl.convert.names import Names

__all__ = ["from_official", "inflate_from_image_mae", "to_official"]

_CONVOLUTION = "patch_embed.proj.weight"
_NAMES = Names(
    "an image MAE",
    (),
    shared=(
        ("patch_embed.proj.", "backbone.patch_embedding."),
        ("norm.", "backbone.norm."),
        ("decoder_embed.", "decoder.embed."),
        ("decoder_norm.", "decoder.norm."),
        ("decoder_pred.", "decoder.head."),
    ),
    blocks=(("blocks.", "backbone.blocks."), ("decoder_blocks.", "decoder.blocks.")),
    inside=(
        (".norm1.", ".attention_norm."),
        (".attn.qkv.", ".attention.qkv."),
        (".attn.proj.", ".attention.out."),
        (".norm2.", ".mlp_norm."),
        (".mlp.fc1.", ".mlp.0."),
        (".mlp.fc2.", ".mlp.2."),
    ),
)
_TOKENS = {"cls_token": "backbone.class_token", "mask_token": "decoder.mask_token"}
_POSITIONS = {"cls_token": "pos_embed", "mask_token": "decoder_pos_embed"}


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict of an official one, for an ``MAE`` over a backbone of image patches.

    The convolution that embeds patches becomes a linear layer of their values in the order row, column, colour.

    Args:
        state: Official names and tensors.

    Raises:
        ValueError: A name is unknown, or the positions are not the fixed ones.
    """
    ours: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in _POSITIONS.values():
            _check_positions(name, value)
        elif name in _TOKENS:
            ours[_TOKENS[name]] = value.flatten()
        elif name == _CONVOLUTION:  # (width, colours, rows, columns)
            ours[_NAMES.ours(name)] = value.permute(0, 2, 3, 1).flatten(1)
        else:
            ours[_NAMES.ours(name)] = value
    return ours


def to_official(state: Mapping[str, Tensor], *, patches: int, colours: int = 3) -> dict[str, Tensor]:
    """The official state dict of ours.

    Args:
        state: Our names and tensors.
        patches: Patches on a side of the image, for which positions are stored.
        colours: Channels of the image.

    Raises:
        ValueError: A name is unknown.
    """
    theirs: dict[str, Tensor] = {}
    official = {ours: name for name, ours in _TOKENS.items()}
    for name, value in state.items():
        if name in official:
            theirs[official[name]] = value.reshape(1, 1, -1)
            theirs[_POSITIONS[official[name]]] = _positions(patches, value)
        elif name == "backbone.patch_embedding.weight":
            side = round((value.shape[1] / colours) ** 0.5)
            theirs[_CONVOLUTION] = value.unflatten(1, (side, side, colours)).permute(0, 3, 1, 2)
        else:
            theirs[_NAMES.official(name)] = value
    return theirs


def inflate_from_image_mae(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What an image MAE can give to an ECG encoder with a class token, such as ``vit_grid_base``: blocks, norm, class token.

    The patch embedding, the positions and the decoder are of images and left out. Load it with ``strict=False``. Official blocks
    add 1e-6 to a variance and ours 1e-5, and heads must have the same width: 64 in ViT-Base.

    Args:
        state: Official names and tensors, with or without a decoder.

    Returns:
        Tensors by the names of a backbone.

    Raises:
        ValueError: A name is unknown.
    """
    ours = from_official({name: value for name, value in state.items() if not name.startswith(("patch_embed.", "pos_embed"))})
    return {name.removeprefix("backbone."): value for name, value in ours.items() if name.startswith("backbone.")}


def _positions(side: int, like: Tensor) -> Tensor:
    """``(1, 1 + side * side, width)``: the class token has no position."""
    # In float64 and then rounded, as the official code does.
    table = grid_positions(side, side, like.shape[-1], like=like.double()).to(like.dtype)
    return torch.nn.functional.pad(table, (0, 0, 1, 0))[None]


def _check_positions(name: str, value: Tensor) -> None:
    side = round((value.shape[1] - 1) ** 0.5)
    expected = _positions(side, value[0, 0]) if side * side == value.shape[1] - 1 else None
    if expected is None or not torch.allclose(value, expected, rtol=0.0, atol=1e-4):
        raise ValueError(f"'{name}' does not hold the sin-cos positions of MAE's square grid; this file is of another model")
