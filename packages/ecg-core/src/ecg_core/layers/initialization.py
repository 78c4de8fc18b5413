"""How transformers that predict latents start: small normal weights, smaller where a branch joins the residual stream.

Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021, in the form of I-JEPA (Assran et al., CVPR 2023) and of both
ECG-JEPAs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ecg_core.layers.transformer import TransformerBlock

__all__ = ["start_small"]

_STD = 0.02


@torch.no_grad()
def start_small(module: nn.Module, blocks: Iterable[TransformerBlock], *, scale: Literal["depth", "number"]) -> None:
    """Weights of linear layers from a normal distribution of standard deviation 0.02, cut off at ±2; biases zero.

    The last layers of both branches of a block are divided by the root of twice the number of blocks (``"depth"``), or of twice
    the block's own number, from 1 (``"number"``). Lazy layers are left to their own start.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear) and not is_lazy(layer.weight):
            nn.init.trunc_normal_(layer.weight, std=_STD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    listed = list(blocks)
    for number, block in enumerate(listed, start=1):
        factor = (2 * (len(listed) if scale == "depth" else number)) ** -0.5
        block.attention.out.weight.mul_(factor)
        block.mlp[-1].weight.mul_(factor)  # type: ignore[operator]
