"""CLOCS' weights to and from the names of its code (Kiyasseh et al., ICML 2021): a ``clocs_cnn`` and the layer that embeds it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

__all__ = ["from_official", "to_official"]

_FIRST = {0: (0, "conv"), 1: (0, "norm"), 5: (1, "conv"), 6: (1, "norm"), 10: (2, "conv"), 11: (2, "norm")}
_PLACE = {f"backbone.blocks.{block}.{part}.": f"view_modules.0.{number}." for number, (block, part) in _FIRST.items()}
_PLACE["projector."] = "view_linear_modules.0."


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict of an official one, for ``CLOCS(clocs_cnn(in_leads=1), flatten=True)``.

    Args:
        state: Official names and tensors; the prefix ``first_model.`` of a fine-tuned file is taken off, its classifier left out.

    Raises:
        ValueError: A name is unknown.
    """
    ours: dict[str, Tensor] = {}
    official = {theirs: mine for mine, theirs in _PLACE.items()}
    for name, value in state.items():
        found = re.fullmatch(r"(?:first_model\.)?(view_(?:linear_)?modules\.0\.(?:\d+\.)?)(\w+)", name)
        if found is not None and found[1] in official:
            ours[official[found[1]] + found[2]] = value
        elif not re.fullmatch(r"linear\.(weight|bias)", name):
            raise ValueError(f"'{name}' is no name of a CLOCS state dict; pass the model's weights alone")
    return ours


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The official state dict of ours.

    Args:
        state: Our names and tensors.

    Raises:
        ValueError: A name is unknown.
    """
    theirs: dict[str, Tensor] = {}
    for name, value in state.items():
        before = next((mine for mine in _PLACE if name.startswith(mine)), None)
        if before is None:
            raise ValueError(f"'{name}' is no name of CLOCS with its own network")
        theirs[_PLACE[before] + name.removeprefix(before)] = value
    return theirs
