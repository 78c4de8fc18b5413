"""NT-Xent, the contrastive loss of SimCLR: Chen et al., ICML 2020, equation 1.

Differs from the paper's code, which adds the losses of both directions: this is the mean over all 2N anchors, so the
scale does not depend on the batch. Similarities of a view with itself are left out of the denominator exactly.

The windows of all processes are negatives of each other. The 2N x 2N similarities are never held at once. A block of rows
gives its part of the loss and, in the same pass, of
the gradient, so memory grows with the batch and not with its square.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ecg_ssl.gather import gather_rows, is_distributed

__all__ = ["nt_xent"]

_BLOCK = 1 << 22  # similarities held at once: 16 MiB of float32


def nt_xent(z_a: Tensor, z_b: Tensor, temperature: float = 0.1) -> Tensor:
    """Each view must find its partner among all other views of the batch, by cosine similarity.

    For anchor ``i`` with partner ``p(i)`` and ``s_ij = cos(z_i, z_j) / temperature``, the mean over the ``2N`` views of
    ``-s_{i,p(i)} + log Σ_{k ≠ i} exp(s_ik)``. Computed in float32, or float64 for such inputs, whatever autocast says.

    Args:
        z_a: ``(batch, width)`` projections of the first views, of any length.
        z_b: ``(batch, width)`` projections of the second views; row ``i`` belongs to row ``i`` of ``z_a``.
        temperature: Positive; the smaller, the more the hardest negatives count.

    Returns:
        A scalar, ``log(2 batch - 1)`` when all projections are equal.

    Raises:
        ValueError: The shapes differ, the batch has one window and so no negatives, or the temperature is not positive.
    """
    if z_a.shape != z_b.shape or z_a.ndim != 2:
        raise ValueError(f"expected two tensors (batch, width) of one shape, got {tuple(z_a.shape)} and {tuple(z_b.shape)}")
    if z_a.shape[0] < 2 and not is_distributed():
        raise ValueError(f"a contrastive loss needs other windows as negatives: at least 2 in a batch, got {z_a.shape[0]}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    with torch.autocast(z_a.device.type, enabled=False):
        z = torch.cat([gather_rows(z_a), gather_rows(z_b)])  # (2 batch, width)
        z = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1)
        return _NTXent.apply(z, float(temperature))


class _NTXent(torch.autograd.Function):
    """Loss and gradient of unit vectors ``(2N, width)``, of which row ``i`` and ``i + N`` belong together."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, temperature: float) -> Tensor:
        views = z.shape[0]
        total, gradient = z.new_zeros(()), torch.zeros_like(z)
        for anchors in torch.arange(views, device=z.device).split(max(1, _BLOCK // views)):
            partners = (anchors + views // 2) % views
            logits = (z[anchors] @ z.T) / temperature  # (anchors, 2N)
            logits.scatter_(1, anchors[:, None], -math.inf)
            log_sum = logits.logsumexp(dim=1, keepdim=True)
            total += (log_sum - logits.gather(1, partners[:, None])).sum()
            if ctx.needs_input_grad[0]:
                slope = logits.sub_(log_sum).exp_()  # dL_i / ds_ij: the softmax, less 1 at the partner
                slope.scatter_add_(1, partners[:, None], slope.new_full((len(anchors), 1), -1.0))
                gradient.index_add_(0, anchors, slope @ z)
                gradient += slope.T @ z[anchors]
        ctx.save_for_backward(gradient / (views * temperature))
        return total / views

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_output, None
