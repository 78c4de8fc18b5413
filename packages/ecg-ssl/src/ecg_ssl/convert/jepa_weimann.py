"""Weights of the JEPA of Weimann and Conrad (2024) to and from the names of its official code.

Files hold no positions. The convolution that embeds patches becomes a linear layer of their values, lead by lead.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ecg_ssl.convert.names import Names

__all__ = ["backbone_from_official", "from_official", "to_official"]

_NAMES = Names(
    "a JEPA of Weimann and Conrad's",
    (),
    shared=(
        ("encoder.norm.", "backbone.norm."),
        ("target_encoder.norm.", "target.backbone.norm."),
        ("predictor.embed.", "predictor.embed."),
        ("predictor.norm.", "predictor.norm."),
        ("predictor.proj.", "predictor.head."),
        ("encoder.patch_embed.proj.", "backbone.patch_embedding."),
        ("target_encoder.patch_embed.proj.", "target.backbone.patch_embedding."),
        ("encoder.registers", "backbone.registers"),
        ("target_encoder.registers", "target.backbone.registers"),
        ("predictor.mask_token", "predictor.mask_token"),
    ),
    blocks=(
        ("encoder.blocks.", "backbone.blocks."),
        ("target_encoder.blocks.", "target.backbone.blocks."),
        ("predictor.blocks.", "predictor.blocks."),
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


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict of an official one, for a ``JEPAWeimann``; load it with ``strict=False``: it says no ``target.updates``.

    Args:
        state: Official names and tensors.

    Raises:
        ValueError: A name is unknown.
    """
    ours: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.endswith((".registers", ".mask_token")):
            value = value.flatten()
        elif name.endswith("patch_embed.proj.weight"):  # (width, leads, samples)
            value = value.flatten(1)
        ours[_NAMES.ours(name)] = value
    return ours


def backbone_from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a ``RegisterViT`` from those of an official encoder, whose names begin with ``encoder.`` or with nothing.

    Raises:
        ValueError: A name is unknown.
    """
    names = {name.removeprefix("encoder."): value for name, value in state.items() if _of_encoder(name)}
    ours = from_official({f"encoder.{name}": value for name, value in names.items()})
    return {name.removeprefix("backbone."): value for name, value in ours.items()}


def to_official(state: Mapping[str, Tensor], *, leads: int = 12) -> dict[str, Tensor]:
    """The official state dict of ours.

    Args:
        state: Our names and tensors.
        leads: Leads of a patch.

    Raises:
        ValueError: A name is unknown.
    """
    theirs: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in _OWN:
            continue
        if name.endswith(".mask_token"):
            value = value.view(1, 1, -1)
        elif name.endswith(".registers"):
            value = value.view(1, -1, state[name.removesuffix("registers") + "norm.weight"].shape[0])
        elif name.endswith("patch_embedding.weight"):
            value = value.unflatten(1, (leads, -1))
        theirs[_NAMES.official(name)] = value
    return theirs


def _of_encoder(name: str) -> bool:
    return not name.startswith(("target_encoder.", "predictor."))
