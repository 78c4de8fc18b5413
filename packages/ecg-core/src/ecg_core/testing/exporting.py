"""Exporting what a check looks at, without a warning that its author can do nothing about."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn

__all__ = ["exported"]


def exported(module: nn.Module, inputs: tuple[Any, ...], dynamic_shapes: Any) -> Any:
    """The module as one program for all sizes that ``dynamic_shapes`` allows."""
    with warnings.catch_warnings():
        # nn.LSTM and nn.GRU list their own parameters anew while they are traced; the program is the same.
        warnings.filterwarnings("ignore", message=r"The tensor attributes? .*_flat_weights")
        return torch.export.export(module, inputs, dynamic_shapes=dynamic_shapes).module()
