"""TF-C weights to and from the names of the official code of January 2023.

A file is of one length of windows, which is the width of its transformers: ``tfc_transformer`` with that ``patch_size``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

__all__ = ["from_official", "to_official"]

# (official, ours)
_BRANCHES = {
    "transformer_encoder_t": "backbone", "transformer_encoder_f": "frequency_backbone",
    "projector_t": "projector", "projector_f": "frequency_projector",
}  # fmt: skip
_PARTS = {
    "self_attn.in_proj_weight": "attention.qkv.weight", "self_attn.in_proj_bias": "attention.qkv.bias",
    "self_attn.out_proj.weight": "attention.out.weight", "self_attn.out_proj.bias": "attention.out.bias",
    "linear1.weight": "mlp.0.weight", "linear1.bias": "mlp.0.bias",
    "linear2.weight": "mlp.3.weight", "linear2.bias": "mlp.3.bias",
    "norm1.weight": "attention_norm.weight", "norm1.bias": "attention_norm.bias",
    "norm2.weight": "mlp_norm.weight", "norm2.bias": "mlp_norm.bias",
}  # fmt: skip


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict of an official one, for a ``TFC`` over ``tfc_transformer``.

    Args:
        state: What is under ``model_state_dict`` in an official file.

    Raises:
        ValueError: A name is unknown.
    """
    return {_renamed(name, _BRANCHES, "layers", _PARTS, "", "blocks", "layers."): value for name, value in state.items()}


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The official state dict of ours.

    Args:
        state: Our names and tensors.

    Raises:
        ValueError: A name is unknown.
    """
    branches, parts = ({ours: name for name, ours in table.items()} for table in (_BRANCHES, _PARTS))
    return {_renamed(name, branches, "blocks", parts, "layers.", "layers", ""): value for name, value in state.items()}


def _renamed(
    name: str, branches: Mapping[str, str], blocks: str, parts: Mapping[str, str], ahead: str, new_blocks: str, new_ahead: str
) -> str:
    branch, _, rest = name.partition(".")
    found = re.fullmatch(rf"{blocks}\.(\d+)\.(.+)", rest)
    if branch in branches and "projector" not in branch and found and found[2] in parts:
        return f"{branches[branch]}.{new_blocks}.{found[1]}.{parts[found[2]]}"
    if branch in branches and "projector" in branch and re.fullmatch(rf"{ahead}\d+\.\w+", rest):
        return f"{branches[branch]}.{new_ahead}{rest.removeprefix(ahead)}"
    raise ValueError(f"'{name}' is no name of a TF-C state dict; pass the model's weights alone, without classifier or optimizer")
