"""Weights of Kim's ECG-JEPA (2024) to and from the names of its official code.

Files store the fixed positions. We compute them: they are checked on the way in and made on the way out. Published files hold
an encoder alone, under ``"encoder"``: :func:`backbone_from_official`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ecg_core.layers.positions import sincos_positions
from ecg_ssl.convert.names import Names

__all__ = ["backbone_from_official", "from_official", "to_official"]

_ENCODERS = (("encoder.", "backbone."), ("target_encoder.", "target.backbone."))
_NAMES = Names(
    "an ECG-JEPA of Kim's",
    (),
    shared=(
        *(
            (f"{theirs}{a}", f"{ours}{b}")
            for theirs, ours in _ENCODERS
            for a, b in (("W_P.", "patch_embedding."), ("norm.", "norm."))
        ),
        ("predictor.predictor_embed.", "predictor.embed."),
        ("predictor.predictor_norm.", "predictor.norm."),
        ("predictor.predictor_proj.", "predictor.head."),
        ("predictor.mask_token", "predictor.mask_token"),
    ),
    blocks=(
        *((f"{theirs}encoder_blocks.blocks.", f"{ours}blocks.") for theirs, ours in _ENCODERS),
        ("predictor.predictor_blocks.blocks.", "predictor.blocks."),
    ),
    inside=(
        (".norm1.", ".attention_norm."),
        (".attn.qkv.", ".attention.qkv."),
        (".attn.proj.", ".attention.out."),
        (".norm2.", ".mlp_norm."),
        (".mlp.fc1.", ".mlp.0."),
        (".mlp.fc2.", ".mlp.2."),
    ),
)
_OWN = ("target.updates", "target.due")  # how far a training is: official files keep it elsewhere


def from_official(state: Mapping[str, Tensor], *, leads: int = 8) -> dict[str, Tensor]:
    """Our state dict of an official one, for an ``ECGJEPA``; load it with ``strict=False``: it says no ``target.updates``.

    Args:
        state: Official names and tensors.
        leads: Leads of the encoder.

    Raises:
        ValueError: A name is unknown, or the positions are not the fixed ones.
    """
    ours: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.endswith("pos_embed"):
            expected = _positions(name, value.shape[0], value.shape[1], leads)
            if expected.shape != value.shape or not torch.allclose(value.float(), expected, rtol=0.0, atol=1e-4):
                raise ValueError(
                    f"'{name}' does not hold the sin-cos positions of {leads} leads; the file is of another model, or say leads=…"
                )
        else:
            ours[_NAMES.ours(name)] = value.flatten() if name.endswith("mask_token") else value
    return ours


def backbone_from_official(state: Mapping[str, Tensor], *, leads: int = 8) -> dict[str, Tensor]:
    """Weights of a ``CroPAViT`` from those of an official encoder, whose names begin with ``encoder.`` or with nothing.

    Raises:
        ValueError: A name is unknown, or the positions are not the fixed ones.
    """
    parts = {name: value for name, value in state.items() if not name.startswith(("target_encoder.", "predictor."))}
    ours = from_official({f"encoder.{name.removeprefix('encoder.')}": value for name, value in parts.items()}, leads=leads)
    return {name.removeprefix("backbone."): value for name, value in ours.items()}


def to_official(state: Mapping[str, Tensor], *, leads: int = 8, times: int = 50) -> dict[str, Tensor]:
    """The official state dict of ours.

    Args:
        state: Our names and tensors.
        leads: Leads of the encoder, for which positions are stored.
        times: Patches of a lead.

    Raises:
        ValueError: A name is unknown.
    """
    theirs: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in _OWN:
            continue
        official = _NAMES.official(name)
        theirs[official] = value.view(1, 1, -1) if name == "predictor.mask_token" else value
        part, _, rest = official.partition(".")
        if rest == "norm.weight":
            theirs[f"{part}.pos_embed"] = _positions(f"{part}.pos_embed", leads * times, value.shape[0], leads).to(value)
        elif rest == "predictor_norm.weight":
            theirs["predictor.pos_embed"] = _positions("predictor.pos_embed", times, value.shape[0], leads).to(value)
    return theirs


def _positions(name: str, count: int, width: int, leads: int) -> Tensor:
    like = torch.zeros((), dtype=torch.float64)  # and then rounded, as the official code does
    leads = 1 if name.startswith("predictor.") else leads
    times = count // leads
    time = sincos_positions(times, width // 2, like=like).expand(leads, -1, -1)
    lead = sincos_positions(leads, width // 2, like=like)[:, None].expand(-1, times, -1)
    return torch.cat([time, lead], dim=2).flatten(0, 1).float()
