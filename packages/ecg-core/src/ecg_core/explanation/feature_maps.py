"""Class activation over feature maps: from a task and its input to relevance per sample, whichever way maps are weighed.

No hook is needed: a backbone gives its maps itself, and a task its scores from them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ecg_core.contracts.task import Task
from ecg_core.explanation.grad_cam import upsample_relevance
from ecg_core.explanation.target import Target, evaluating, target_score

__all__ = ["activation_relevance"]


def activation_relevance(
    task: Task, x: Tensor, target: Target, *, weigh: Callable[[Tensor, Tensor], Tensor], stage: int = -1
) -> Tensor:
    """Relevance per sample, ``(batch, leads, samples)``, not negative and not normalised.

    A backbone that keeps leads apart up to its last map is explained lead by lead; in all other maps leads are mixed, and each
    gets the same relevance.

    Args:
        task: Any task.
        x: ``(batch, leads, samples)``; not modified.
        target: What is explained.
        weigh: From a map ``(batch, rows, channels, steps)`` and its gradient to ``(batch, rows, steps)``.
        stage: Which map of the backbone, the last unless given; earlier ones are finer in time.

    Raises:
        ValueError: There is no such stage, or the target does not fit the scores.
    """
    stages = task.backbone.stages
    if not -len(stages) <= stage < len(stages):
        raise ValueError(
            f"stage must be one of the {len(stages)} maps, 0 … {len(stages) - 1} or -{len(stages)} … -1, got {stage}"
        )
    last = stage in (-1, len(stages) - 1)
    with torch.inference_mode(False), torch.enable_grad(), evaluating(task):
        signal = x.detach().clone().requires_grad_(True)  # so that frozen backbones have gradients to give
        if last:
            features = task.backbone.forward_lead_features(signal)
            scores = task.scores(features.mean(dim=1))
        else:
            maps = task.backbone.forward_intermediates(signal)
            features, scores = maps[stage], task.scores(maps[-1])
        score = target_score(scores, target, batch=len(x))
        (gradient,) = torch.autograd.grad(score.sum(), features, materialize_grads=True)
        rows = features.detach() if last else features.detach().unsqueeze(1)
        relevance = weigh(rows, gradient if last else gradient.unsqueeze(1))
        place = stages[stage]
        relevance = upsample_relevance(relevance, x.shape[-1], stride=place.stride, centre=place.centre)
    return relevance.expand(-1, x.shape[1], -1).clone()
