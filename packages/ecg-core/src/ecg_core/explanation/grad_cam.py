"""Grad-CAM over time: which steps of a feature map speak for a class.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", arXiv:1610.02391:
"we compute the gradient of the score for class c, y^c (before the softmax), with respect to feature map activations A^k […]
These gradients flowing back are global-average-pooled […] to obtain the neuron importance weights."

Differs from the paper: time is the only axis that is pooled and drawn; lead-wise features keep their leads in the map.

>>> import torch
>>> features = torch.tensor([[[0.0, 2.0, 1.0], [1.0, 1.0, 1.0]]])  # (batch, channels, steps)
>>> head = lambda a: torch.stack([3 * a[:, 0].sum(-1) - a[:, 1].sum(-1)], dim=1)
>>> grad_cam(head, features, target=0)  # relu(3 * channel 0 - 1 * channel 1)
tensor([[0., 5., 2.]])
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ecg_core.explanation.target import Target, target_score
from ecg_core.layers.upsampling import steps_to_samples

__all__ = ["grad_cam", "normalise_relevance", "upsample_relevance", "weigh_grad_cam"]


def weigh_grad_cam(features: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM of feature maps and their gradients, ``(..., channels, steps)``, leads among the pooled axes if there are any."""
    pooled = (-1,) if features.ndim == 3 else (1, -1)
    alpha = gradient.mean(dim=pooled, keepdim=True)
    return (alpha * features).sum(dim=-2).relu()


def grad_cam(features_to_scores: Callable[[Tensor], Tensor], features: Tensor, target: Target) -> Tensor:
    """The Grad-CAM of one class, not normalised.

    Gradients of parameters are left untouched, and it works for callers under ``torch.no_grad()``. Train or eval mode is
    the caller's: put the model into eval mode for an explanation of what it predicts.

    Args:
        features_to_scores: From the features to logits ``(batch, classes)``; every record must be scored by itself.
        features: ``(batch, channels, steps)`` or lead-wise ``(batch, leads, channels, steps)``; not modified.
        target: Column of the logits that is explained, one column per record, or a function of the scores.

    Returns:
        ``(batch, steps)`` or ``(batch, leads, steps)``, 0 where nothing speaks for the class.

    Raises:
        ValueError: ``target`` is out of range, or shapes are not as above.
    """
    if features.ndim not in (3, 4):
        raise ValueError(
            f"features must be (batch, channels, steps) or (batch, leads, channels, steps), got shape {tuple(features.shape)}"
        )
    with torch.inference_mode(False), torch.enable_grad():
        leaf = features.detach().clone().requires_grad_(True)
        scores = features_to_scores(leaf.clone())  # the clone lets a head begin with an in-place activation
        score = target_score(scores, target, batch=len(features), who="features_to_scores")
        if not score.requires_grad:
            raise ValueError("the scores do not depend on the features: features_to_scores detached them or ignored its argument")
        (gradient,) = torch.autograd.grad(score.sum(), leaf, materialize_grads=True)
    return weigh_grad_cam(features.detach(), gradient)


def upsample_relevance(cam: Tensor, samples: int, *, stride: float | None = None, centre: float | None = None) -> Tensor:
    """Relevance per step → per sample, linear between the centres of the steps and constant beyond the outermost.

    Args:
        cam: ``(..., steps)``.
        samples: Length of the signal the features were computed from.
        stride: Samples from one step to the next; ``samples / steps`` by default, which is exact when steps tile the signal.
        centre: Sample (from 0, may be fractional) on which step 0 is centred; the middle of its ``stride`` samples by
            default. A stack of convolutions with symmetric padding is centred on 0.

    Returns:
        ``(..., samples)``.
    """
    steps = cam.shape[-1]
    if samples < 1 or steps < 1:
        raise ValueError(f"samples and steps must be at least 1, got {samples} samples and {steps} steps")
    stride = samples / steps if stride is None else stride
    if stride <= 0:
        raise ValueError(f"stride must be a positive number of samples, got {stride}")
    return steps_to_samples(cam, samples, stride=stride, centre=(stride - 1) / 2 if centre is None else centre)


def normalise_relevance(relevance: Tensor, *, signed: bool = False) -> Tensor:
    """Each record's relevance divided by its highest, so that it lies in [0, 1]; a map of zeros stays zero.

    Args:
        relevance: ``(batch, ...)``; negative values count as 0 unless ``signed``.
        signed: Keep them, and divide by the largest absolute value: [-1, 1].
    """
    kept = relevance if signed else relevance.clamp(min=0)
    highest = kept.abs().flatten(1).amax(dim=1).reshape(-1, *[1] * (relevance.ndim - 1))
    return kept / torch.where(highest > 0, highest, torch.ones_like(highest))
