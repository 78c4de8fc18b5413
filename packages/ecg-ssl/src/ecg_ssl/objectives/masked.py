"""Errors on hidden patches: He et al., CVPR 2022, section 3, "reconstruction target"."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["patch_error", "patch_mse"]


def patch_mse(prediction: Tensor, patches: Tensor, mask: Tensor, *, normalise: bool = True) -> Tensor:
    """Mean over the samples of all hidden patches of the squared error: :func:`patch_error` with its defaults."""
    return patch_error(prediction, patches, mask, normalise=normalise)


def patch_error(
    prediction: Tensor,
    patches: Tensor,
    mask: Tensor,
    *,
    normalise: bool = True,
    distance: Literal["mse", "l1", "smooth_l1"] = "mse",
) -> Tensor:
    """Mean over the samples of all hidden patches of an error, a scalar in float32.

    The patches are constants: no gradient flows into them.

    Args:
        prediction: ``(..., patches, samples)``.
        patches: The true samples, of the same shape.
        mask: ``(..., patches)``, true (or 1) where hidden; visible patches do not count.
        normalise: Compare with each patch standardised by its own mean and unbiased variance (plus 1e-6).
        distance: The square of the error, its size, or half its square up to 1 and its size less one half from there.

    Raises:
        ValueError: The shapes do not match.
    """
    if prediction.shape != patches.shape or mask.shape != patches.shape[:-1]:
        shapes = f"prediction {tuple(prediction.shape)}, patches {tuple(patches.shape)}, mask {tuple(mask.shape)}"
        raise ValueError(f"prediction and patches must have one shape, and the mask that shape without samples; got {shapes}")
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    target, weight = patches.detach().to(dtype), mask.to(dtype)
    if normalise:
        target = (target - target.mean(dim=-1, keepdim=True)) / (target.var(dim=-1, keepdim=True) + 1e-6).sqrt()
    found = prediction.to(dtype)
    if distance == "mse":
        error = (found - target).square()
    elif distance == "l1":
        error = (found - target).abs()
    else:
        error = F.smooth_l1_loss(found, target, reduction="none")
    return (error.mean(dim=-1) * weight).sum() / weight.sum()
