"""Attention rollout (Abnar and Zuidema, ACL 2020): which patches the tokens of a transformer looked at, through all its blocks.

Attention of each block, averaged over heads, is mixed half and half with the identity, for the residual connection, and
multiplied from the first block to the last. The relevance of a patch is the mean over all patch tokens of what they took from it,
since the features are their mean.

It tells where information came from, and not which class it speaks for: the target does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ecg_core.contracts.task import Task
from ecg_core.contracts.tokens import TokenBackbone
from ecg_core.explanation.grad_cam import upsample_relevance
from ecg_core.explanation.target import evaluating
from ecg_core.layers.attention import SelfAttention

__all__ = ["attention_rollout", "roll_out"]


def roll_out(attentions: list[Tensor]) -> Tensor:
    """The product over blocks of ``(attention + identity) / 2``, each ``(batch, heads, tokens, tokens)``, heads averaged.

    >>> import torch
    >>> roll_out([torch.full((1, 2, 2, 2), 0.5)])
    tensor([[[0.7500, 0.2500],
             [0.2500, 0.7500]]])
    """
    identity = torch.eye(attentions[0].shape[-1], dtype=attentions[0].dtype, device=attentions[0].device)
    rolled = identity.expand(len(attentions[0]), -1, -1)
    for attention in attentions:
        rolled = (attention.mean(dim=1) + identity) / 2 @ rolled
    return rolled


def attention_rollout(task: Task, x: Tensor) -> Tensor:
    """Relevance per sample, ``(batch, leads, samples)``, positive and not normalised.

    Args:
        task: A task whose backbone is a :class:`TokenBackbone` whose blocks attend by ``ecg_core.layers``.
        x: ``(batch, leads, samples)``; not modified.

    Raises:
        ValueError: The backbone has no tokens, or its attention is not found or not over the tokens of a window.
    """
    backbone = task.backbone
    if not isinstance(backbone, TokenBackbone):
        raise ValueError(f"attention_rollout needs a backbone of tokens, and {type(backbone).__name__} is none; use grad_cam")
    with torch.no_grad(), evaluating(task), _watching(backbone) as seen:
        backbone.forward_features(x)
        rows, columns = backbone.patchify(x).shape[1:3]
    tokens = rows * (backbone.prefix + columns + backbone.suffix)
    if not seen or any(weights.shape[-1] != tokens for weights in seen):
        sizes = ", ".join(sorted({str(weights.shape[-1]) for weights in seen})) or "no"
        raise ValueError(
            f"attention_rollout needs self-attention over all {tokens} tokens of a window, and found it over {sizes} tokens in "
            f"{type(backbone).__name__}; use grad_cam"
        )
    grid = roll_out(seen).unflatten(-1, (rows, -1)).unflatten(1, (rows, -1))
    patch = slice(backbone.prefix, backbone.prefix + columns)
    taken = grid[:, :, patch, :, patch].mean(dim=(1, 2))  # (batch, rows, columns)
    place = backbone.stages[-1]
    relevance = upsample_relevance(taken, x.shape[-1], stride=place.stride, centre=place.centre)
    return relevance.expand(-1, x.shape[1], -1).clone()


@contextmanager
def _watching(module: nn.Module) -> Iterator[list[Tensor]]:
    """Attention weights, ``(batch, heads, tokens, tokens)``, of every self-attention that runs meanwhile; no hook stays."""
    seen: list[Tensor] = []

    def watch(attention: nn.Module, inputs: tuple[Any, ...]) -> None:
        tokens = inputs[0]
        if isinstance(attention, SelfAttention):
            query, key, _ = attention.qkv(tokens).unflatten(-1, (3, attention.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
            seen.append((query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)).float().softmax(dim=-1))

    handles = [m.register_forward_pre_hook(watch) for m in module.modules() if isinstance(m, SelfAttention)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
