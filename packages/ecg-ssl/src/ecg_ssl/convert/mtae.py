"""MTAE and MLAE weights to and from the names of ST-MEM's repository (Na et al., ICLR 2024), which re-implements both.

An official file holds the encoder alone or encoder and decoder. It stores the fixed positions as parameters and, in the
second case, the patch embedding twice. We compute positions: they are checked on the way in and made on the way out.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ecg_core.layers.positions import sincos_positions
from ecg_ssl.convert.names import ALIAS, Names, check_alias

__all__ = ["from_official", "to_official"]

_NAMES = Names("an MTAE or MLAE", (("encoder.cls_embedding", "backbone.class_token"),))
_POSITIONS = ("encoder.pos_embedding", "decoder_pos_embed")


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict of an official one: that of ``mtae`` or ``mlae`` from a full file, of its backbone from an encoder file.

    The backbone is ``vit_time_*`` for MTAE and ``vit_leads_*`` for MLAE, both with ``in_leads=12`` in the order I, II, III, aVR,
    aVL, aVF, V1 to V6.

    Args:
        state: Official names and tensors.

    Raises:
        ValueError: A name is unknown, a repeated tensor differs from the first, or the positions are not the fixed ones.
    """
    full = any(name.startswith("encoder.") for name in state)
    theirs = dict(state) if full else {f"encoder.{name}": value for name, value in state.items()}
    ours: dict[str, Tensor] = {}
    for name, value in theirs.items():
        if name in _POSITIONS:
            _check_positions(name, value)
        elif name.startswith(ALIAS):
            check_alias(name, value, theirs.get(f"encoder.{name}"))
        elif name == "mask_embedding":
            ours["decoder.mask_token"] = value.flatten()
        else:
            ours[_NAMES.ours(name)] = value
    return ours if full else {name.removeprefix("backbone."): value for name, value in ours.items()}


def to_official(state: Mapping[str, Tensor], *, tokens: int) -> dict[str, Tensor]:
    """The official state dict of ours: a full file from a method's, an encoder file from a backbone's.

    Args:
        state: Our names and tensors.
        tokens: Tokens of a window, for which positions are stored: in the paper 30 pieces of time, or 12 leads.

    Raises:
        ValueError: A name is unknown.
    """
    full = any(name.startswith("backbone.") for name in state)
    ours = dict(state) if full else {f"backbone.{name}": value for name, value in state.items()}
    theirs: dict[str, Tensor] = {}
    for name, value in ours.items():
        if name == "decoder.mask_token":
            theirs["mask_embedding"] = value.reshape(1, 1, -1)
            theirs["decoder_pos_embed"] = _positions(tokens, value)
        else:
            theirs[_NAMES.official(name)] = value
    theirs["encoder.pos_embedding"] = _positions(tokens, theirs["encoder.cls_embedding"])
    if not full:
        return {name.removeprefix("encoder."): value for name, value in theirs.items()}
    repeated = {name.removeprefix("encoder."): value for name, value in theirs.items() if name.startswith(f"encoder.{ALIAS}")}
    return theirs | repeated


def _positions(tokens: int, like: Tensor) -> Tensor:
    """``(1, 1 + tokens, width)``: the class token has no position."""
    table = sincos_positions(tokens, like.shape[-1], like=like)
    return torch.nn.functional.pad(table, (0, 0, 1, 0))[None].to(like.dtype)


def _check_positions(name: str, value: Tensor) -> None:
    expected = _positions(value.shape[1] - 1, value[0, 0])
    if not torch.allclose(value, expected, rtol=0.0, atol=1e-4):
        raise ValueError(f"'{name}' does not hold the sin-cos positions of MTAE and MLAE; this file is of another model")
