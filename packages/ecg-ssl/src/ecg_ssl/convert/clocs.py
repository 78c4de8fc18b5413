"""Weights of CLOCS (Kiyasseh et al., ICML 2021) to and from the names of its repository.

Ours is ``CLOCS(clocs_cnn, features="flattened")`` with ``in_leads=1``. A fine-tuned file holds the same network under
``first_model.`` and a classifier, which is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

__all__ = ["from_official", "to_official"]

_LINEAR, _OURS = "view_linear_modules.0.", "projector.layers.0."
_STRIDE = 5  # convolution, normalisation, activation, pooling, dropout
_PARTS = ("conv", "norm")


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict of an official one.

    Args:
        state: Official names and tensors, as pre-trained or fine-tuned.

    Raises:
        ValueError: A name is unknown.
    """
    tuned = any(name.startswith("first_model.") for name in state)
    ours = {}
    for name, value in state.items():
        if tuned and name in ("linear.weight", "linear.bias"):
            continue
        ours[_ours(name.removeprefix("first_model."))] = value
    return ours


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The official state dict, as pre-trained, of ours.

    Raises:
        ValueError: A name is unknown.
    """
    return {_official(name): value for name, value in state.items()}


def _ours(name: str) -> str:
    found = re.fullmatch(r"view_modules\.0\.(\d+)\.(\w+)", name)
    if found and int(found[1]) % _STRIDE < len(_PARTS):
        block, part = divmod(int(found[1]), _STRIDE)
        return f"backbone.blocks.{block}.{_PARTS[part]}.{found[2]}"
    if name.startswith(_LINEAR):
        return _OURS + name.removeprefix(_LINEAR)
    raise ValueError(f"'{name}' is no name of a CLOCS state dict; pass the weights alone, without optimizer")


def _official(name: str) -> str:
    found = re.fullmatch(r"backbone\.blocks\.(\d+)\.(conv|norm)\.(\w+)", name)
    if found:
        return f"view_modules.0.{_STRIDE * int(found[1]) + _PARTS.index(found[2])}.{found[3]}"
    if name.startswith(_OURS):
        return _LINEAR + name.removeprefix(_OURS)
    raise ValueError(f"'{name}' is no name of a CLOCS around clocs_cnn; pass the method's state dict")
