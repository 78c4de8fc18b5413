"""Integrated gradients (Sundararajan et al., ICML 2017): what each sample of each lead adds to a score.

Relevance adds up to the difference between the score of the ECG and that of the baseline (the paper's completeness).

Differs from the paper: the integral is by Gauss-Legendre quadrature, which needs far fewer points than a Riemann sum.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ecg_core.explanation.target import Target, evaluating, target_score

__all__ = ["integrated_gradients"]


def integrated_gradients(
    model: nn.Module, x: Tensor, target: Target, *, baseline: Tensor | float = 0.0, points: int = 50
) -> Tensor:
    """Signed relevance per sample, ``(batch, leads, samples)``, in units of the score.

    Args:
        model: Anything from signals to scores; explained in evaluation mode.
        x: ``(batch, leads, samples)``; not modified.
        target: What is explained.
        baseline: The ECG that stands for nothing, a flat line unless given; a number or what broadcasts to ``x``.
        points: Of the quadrature; each costs one forward and one backward pass of the batch.

    Raises:
        ValueError: ``points`` is below 1, or target or baseline do not fit.
    """
    if points < 1:
        raise ValueError(f"points must be at least 1, got {points}")
    try:
        start = torch.as_tensor(baseline, dtype=x.dtype, device=x.device).expand_as(x)
    except RuntimeError:
        found = tuple(torch.as_tensor(baseline).shape)
        raise ValueError(f"the baseline must broadcast to the signal, {tuple(x.shape)}, got {found}") from None
    nodes, weights = np.polynomial.legendre.leggauss(points)
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model):
        signal, start = x.detach().clone(), start.detach().clone()
        total = torch.zeros_like(signal)
        for node, weight in zip(nodes, weights, strict=True):
            there = (start + (node + 1) / 2 * (signal - start)).requires_grad_(True)
            score = target_score(model(there), target, batch=len(x))
            (gradient,) = torch.autograd.grad(score.sum(), there, materialize_grads=True)
            total += weight / 2 * gradient
    return total * (signal - start)
