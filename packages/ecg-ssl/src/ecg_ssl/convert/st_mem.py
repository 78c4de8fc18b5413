"""ST-MEM weights to and from the names of the official code (Na et al., ICLR 2024).

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

# Encoder names are those of the full file.
_NAMES = Names("an ST-MEM", (("encoder.sep_embedding", "backbone.separator"),))
_LEAD = "encoder.lead_embeddings."
_POSITIONS = ("encoder.pos_embedding", "decoder_pos_embed")


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict of an official one: that of an ``STMEM`` from a full file, of its ``ViT`` from an encoder file.

    Args:
        state: Official names and tensors; lead vectors are taken in the order I, II, III, aVR, aVL, aVF, V1 to V6.

    Raises:
        ValueError: A name is unknown, a repeated tensor differs from the first, or the positions are not the fixed ones.
    """
    full = any(name.startswith("encoder.") for name in state)
    theirs = dict(state) if full else {f"encoder.{name}": value for name, value in state.items()}
    ours: dict[str, Tensor] = {}
    leads: dict[int, Tensor] = {}
    for name, value in theirs.items():
        if name in _POSITIONS:
            _check_positions(name, value)
        elif name.startswith(ALIAS):
            check_alias(name, value, theirs.get(f"encoder.{name}"))
        elif name.startswith(_LEAD):
            leads[int(name.removeprefix(_LEAD))] = value
        elif name == "mask_embedding":
            ours["decoder.mask_token"] = value.flatten()
        else:
            ours[_NAMES.ours(name)] = value
    ours["backbone.lead_embedding.weight"] = torch.stack([leads[number] for number in sorted(leads)])
    return ours if full else {name.removeprefix("backbone."): value for name, value in ours.items()}


def to_official(state: Mapping[str, Tensor], *, patches: int = 30) -> dict[str, Tensor]:
    """The official state dict of ours: a full file from an ``STMEM``'s, an encoder file from a ``ViT``'s.

    Args:
        state: Our names and tensors.
        patches: Patches per lead, for which positions are stored; 30 (9 s) in the paper.

    Raises:
        ValueError: A name is unknown.
    """
    full = any(name.startswith("backbone.") for name in state)
    ours = dict(state) if full else {f"backbone.{name}": value for name, value in state.items()}
    theirs: dict[str, Tensor] = {}
    for name, value in ours.items():
        if name == "backbone.lead_embedding.weight":
            theirs |= {f"{_LEAD}{number}": row for number, row in enumerate(value)}
        elif name == "decoder.mask_token":
            theirs["mask_embedding"] = value.reshape(1, 1, -1)
            theirs["decoder_pos_embed"] = _positions(patches, value)
        else:
            theirs[_NAMES.official(name)] = value
    theirs["encoder.pos_embedding"] = _positions(patches, theirs["encoder.sep_embedding"])
    if not full:
        return {name.removeprefix("encoder."): value for name, value in theirs.items()}
    repeated = {name.removeprefix("encoder."): value for name, value in theirs.items() if name.startswith(f"encoder.{ALIAS}")}
    return theirs | repeated


def _positions(patches: int, like: Tensor) -> Tensor:
    """``(1, 1 + patches + 1, width)``: separators have no position."""
    table = sincos_positions(patches, like.shape[-1], like=like)
    return torch.nn.functional.pad(table, (0, 0, 1, 1))[None].to(like.dtype)


def _check_positions(name: str, value: Tensor) -> None:
    expected = _positions(value.shape[1] - 2, value[0, 0])
    if not torch.allclose(value, expected, rtol=0.0, atol=1e-4):
        raise ValueError(f"'{name}' does not hold ST-MEM's sin-cos positions; this file is of another model")
