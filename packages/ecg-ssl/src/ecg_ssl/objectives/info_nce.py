"""InfoNCE: each query must find its key among others, by cosine similarity.

van den Oord, Li, Vinyals, "Representation learning with contrastive predictive coding", 2018, arXiv:1807.03748, equation 4; with
a queue of past keys as in He et al., CVPR 2020 (MoCo), and with the other keys of the batch as in Chen, Xie, He, "An empirical
study of training self-supervised vision transformers", ICCV 2021, arXiv:2104.02057 (MoCo v3, algorithm 1).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["info_nce", "unit_rows"]


def unit_rows(x: Tensor) -> Tensor:
    """Rows of length one, in float32 or better, whatever autocast says."""
    return F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=1)


def info_nce(
    queries: Tensor,
    keys: Tensor,
    *,
    negatives: Tensor | None = None,
    excluded: Tensor | None = None,
    temperature: float = 0.2,
) -> Tensor:
    """Mean over the queries of ``-log softmax`` at their key.

    Args:
        queries: ``(batch, width)``, of any length.
        keys: ``(batch, width)``; row ``i`` belongs to query ``i``, and without ``negatives`` all others are its negatives.
        negatives: ``(count, width)`` further keys that belong to no query, such as a queue's; then the other keys of the batch
            are none, as in MoCo.
        excluded: ``(batch, count)`` booleans, true where a negative is none of this query, being of the same recording.
        temperature: Positive; the smaller, the more the hardest negatives count.

    Returns:
        A scalar in float32 or better: ``log(1 + negatives)`` when everything is equal.

    Raises:
        ValueError: Shapes do not fit, the temperature is not positive, or there is not a single negative.
    """
    if queries.ndim != 2 or keys.ndim != 2 or queries.shape[1] != keys.shape[1]:
        raise ValueError(f"queries and keys are (batch, width) of one width, got {tuple(queries.shape)} and {tuple(keys.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    with torch.autocast(queries.device.type, enabled=False):
        q, k = unit_rows(queries), unit_rows(keys)
        if len(q) != len(k):
            raise ValueError(f"each query needs one key, got {len(k)} keys for {len(q)} queries")
        if negatives is None:
            if len(k) < 2:
                raise ValueError(f"a contrastive loss needs other keys as negatives: at least 2 in a batch, got {len(k)}")
            return F.cross_entropy(q @ k.T / temperature, torch.arange(len(q), device=q.device))
        if not len(negatives):
            raise ValueError("a contrastive loss needs some negatives, got none")
        own, others = (q * k).sum(dim=1, keepdim=True), q @ unit_rows(negatives).to(q.dtype).T
        if excluded is not None:
            others = others.masked_fill(excluded, -math.inf)
        logits = torch.cat([own, others], dim=1) / temperature
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.int64, device=q.device))
