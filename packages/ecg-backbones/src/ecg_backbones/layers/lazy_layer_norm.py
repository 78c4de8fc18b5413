"""A layer normalisation that takes its size from its first input."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedParameter

__all__ = ["LazyLayerNorm"]


class LazyLayerNorm(LazyModuleMixin, nn.LayerNorm):
    """An :class:`torch.nn.LayerNorm` over as many values as its first input has last, and from then on one.

    Args:
        eps: Added to the variance.

    Shape:
        ``(..., values)`` to the same
    """

    cls_to_become = nn.LayerNorm
    weight: UninitializedParameter  # type: ignore[assignment]
    bias: UninitializedParameter  # type: ignore[assignment]

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__(0, eps=eps)
        self.weight = UninitializedParameter()
        self.bias = UninitializedParameter()

    def reset_parameters(self) -> None:
        """Nothing to set before the size is known."""
        if not self.has_uninitialized_params() and self.weight.numel():
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *_: Any) -> None:
        """Make one weight and one bias for each value of the first input."""
        if self.has_uninitialized_params():
            with torch.no_grad():
                self.weight.materialize((input.shape[-1],))
                self.bias.materialize((input.shape[-1],))
                self.normalized_shape = (input.shape[-1],)
                self.reset_parameters()
        self.normalized_shape = tuple(self.weight.shape)  # also where the weights came from a saved state
