"""InfoNCE between two sets of segments of which several may be of the same patient.

Oh, Chung, Kwon, Hong, Choi, "Lead-agnostic self-supervised learning for local and global representations of electrocardiogram",
CHIL 2022, arXiv:2203.06889, after contrastive multi-segment coding (Kiyasseh, Zhu, Clifton, ICML 2021).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from ecg_ssl.objectives.info_nce import unit_rows

__all__ = ["Normalise", "Weigh", "cmsc", "scaled_rows"]

Normalise = Literal["detached", "l2"]
Weigh = Literal["pairs", "anchors"]


def scaled_rows(x: Tensor, normalise: Normalise = "l2") -> Tensor:
    """Rows of length one, in float32 or better. ``"detached"`` takes their length for a constant.

    Then the gradient keeps its part along the row, by which a step changes the row's length too.

    Raises:
        ValueError: ``normalise`` is neither.
    """
    if normalise == "l2":
        return unit_rows(x)
    if normalise != "detached":
        raise ValueError(f"normalise must be detached or l2, got {normalise!r}")
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    return x / x.detach().norm(dim=1, keepdim=True).clamp_min(1e-8)


def cmsc(
    a: Tensor,
    b: Tensor,
    positives: Tensor,
    *,
    temperature: float = 0.1,
    normalise: Normalise = "detached",
    weigh: Weigh = "pairs",
    excluded: Tensor | None = None,
) -> Tensor:
    """Half the mean over positive pairs of ``-log softmax`` over the row, half of that over the column.

    Other positives stay in the denominator. Computed in float32, or float64 for such inputs, whatever autocast says.

    Args:
        a: ``(rows, width)``, of any length.
        b: ``(columns, width)``.
        positives: ``(rows, columns)`` booleans, true where both are of the same patient.
        temperature: Positive; the smaller, the more the hardest negatives count.
        normalise: See :func:`scaled_rows`.
        weigh: ``"pairs"``: every positive pair counts the same, so that a patient of k segments weighs k². ``"anchors"``: every
            row and column with a positive counts the same, by the mean over its positives.
        excluded: ``(rows, columns)`` booleans, true where a similarity takes no part, being of a segment with itself.

    Returns:
        A scalar in float32 or better: ``log(columns)`` when everything is equal and there are as many rows.

    Raises:
        ValueError: Shapes do not fit, an argument is none of its choices, or there is no positive pair.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or positives.shape != (len(a), len(b)):
        raise ValueError(
            f"expected (rows, width), (columns, width) and positives (rows, columns), got {tuple(a.shape)}, {tuple(b.shape)} and "
            f"{tuple(positives.shape)}"
        )
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    if weigh not in ("pairs", "anchors"):
        raise ValueError(f"weigh must be pairs or anchors, got {weigh!r}")
    if not positives.any():
        raise ValueError("no two segments of the batch are of the same patient; a contrastive loss needs a positive pair")
    with torch.autocast(a.device.type, enabled=False):
        logits = scaled_rows(a, normalise) @ scaled_rows(b, normalise).T / temperature
        if excluded is not None:
            logits = logits.masked_fill(excluded, -math.inf)
        return sum(_one_way(x, m, weigh) for x, m in ((logits, positives), (logits.T, positives.T))) / 2  # type: ignore[return-value]


def _one_way(logits: Tensor, positives: Tensor, weigh: Weigh) -> Tensor:
    i, j = positives.nonzero(as_tuple=True)
    errors = logits.logsumexp(dim=1)[i] - logits[i, j]
    if weigh == "pairs":
        return errors.mean()
    counts = positives.sum(dim=1)
    return (errors / counts[i]).sum() / (counts > 0).sum()
