"""ECGFounder's weights to and from the names of its code (Li et al., NEJM AI 2025): a Net1D trained with labels.

An official file holds normalisations that the network passes by, and a classifier of 150 classes. Neither belongs to the encoder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

__all__ = ["from_official", "is_left_out", "to_official"]

_LEFT_OUT = re.compile(r"dense\..+|first_bn\..+|stage_list\.\d+\.block_list\.\d+\.bn[123]\..+")
_THEIRS = re.compile(r"stage_list\.(\d+)\.block_list\.(\d+)\.(conv[123]\.conv|se_fc1|se_fc2)\.(weight|bias)")
_OURS = re.compile(r"blocks\.(\d+)\.(\d+)\.(conv[123]|squeeze_excite\.squeeze|squeeze_excite\.excite)\.(weight|bias)")
_INSIDE = {"se_fc1": "squeeze_excite.squeeze", "se_fc2": "squeeze_excite.excite"} | {f"conv{n}.conv": f"conv{n}" for n in "123"}


def is_left_out(name: str) -> bool:
    """Whether a tensor of an official file is no part of the encoder."""
    return _LEFT_OUT.fullmatch(name) is not None


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of our ``net1d_ecgfounder`` from an official one.

    Args:
        state: Official names and tensors.

    Raises:
        ValueError: A name is unknown.
    """
    ours: dict[str, Tensor] = {}
    for name, value in state.items():
        found = _THEIRS.fullmatch(name)
        if found:
            ours[f"blocks.{found[1]}.{found[2]}.{_INSIDE[found[3]]}.{found[4]}"] = value
        elif name.startswith("first_conv.conv."):
            ours[f"stem.0.{name.removeprefix('first_conv.conv.')}"] = value
        elif not is_left_out(name):
            raise ValueError(f"'{name}' is no name of an ECGFounder state dict; pass the model's weights alone")
    return ours


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The official state dict of ours, without its classifier and the normalisations that are passed by.

    Args:
        state: Our names and tensors.

    Raises:
        ValueError: A name is unknown.
    """
    theirs: dict[str, Tensor] = {}
    official = {ours: name for name, ours in _INSIDE.items()}
    for name, value in state.items():
        found = _OURS.fullmatch(name)
        if found:
            theirs[f"stage_list.{found[1]}.block_list.{found[2]}.{official[found[3]]}.{found[4]}"] = value
        elif name.startswith("stem.0."):
            theirs[f"first_conv.conv.{name.removeprefix('stem.0.')}"] = value
        else:
            raise ValueError(f"'{name}' is no name of a Net1D without normalisations")
    return theirs
