"""The contrastive loss of CLOCS: whatever is of the same patient belongs together.

Kiyasseh, Zhu, Clifton, "CLOCS: contrastive learning of cardiac signals across space, time, and patients", ICML 2021,
arXiv:2005.13249, section 4.

Differs from the paper's code: the mean over all pairs of views, as the paper has it. The code keeps the last pair alone and
divides it by the number of pairs; ``last_pair=True`` does that.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ecg_ssl.gather import gather_rows, is_distributed
from ecg_ssl.objectives.info_nce import unit_rows
from ecg_ssl.positives import same

__all__ = ["clocs"]


def clocs(views: Tensor, patient: Tensor, *, temperature: float = 0.1, last_pair: bool = False) -> Tensor:
    """Mean over all pairs of views of the loss of two.

    With ``s_ij`` the cosine of row ``i`` of one view and row ``j`` of the other over the temperature, ``R_i`` the log-sum-exp of
    row ``i`` and ``C_j`` of column ``j``, the loss of two views is the mean of ``R_i - s_ii``, of ``C_i - s_ii`` and, where
    patients repeat, of ``R_i - s_ij`` over their pairs ``i < j`` and of ``C_j - s_ij`` over those with ``i > j``; then the mean
    of these two or four. Other positives stay in the denominators. Computed in float32, or float64 for such inputs.

    Args:
        views: ``(views, rows, width)`` embeddings of any length; row ``i`` of every view is of the same instance.
        patient: ``(rows,)`` int64.
        temperature: Positive; the smaller, the more the hardest negatives count.
        last_pair: As in the published code: the last pair of views alone, over the number of pairs.

    Returns:
        A scalar in float32 or better, ``log(rows)`` when everything is equal.

    Raises:
        ValueError: There is one view or one row, the shapes do not fit, or the temperature is not positive.
    """
    if views.ndim != 3 or len(views) < 2 or patient.shape != views.shape[1:2]:
        raise ValueError(
            f"expected (views, rows, width) of at least 2 views and a patient per row, got {tuple(views.shape)} and "
            f"{tuple(patient.shape)}"
        )
    if views.shape[1] < 2 and not is_distributed():
        raise ValueError(f"a contrastive loss needs other windows as negatives: at least 2 rows, got {views.shape[1]}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    with torch.autocast(views.device.type, enabled=False):
        owners = gather_rows(patient)
        units = unit_rows(gather_rows(views.transpose(0, 1)).flatten(0, 1)).unflatten(0, (len(owners), -1)).transpose(0, 1)
        first, second = torch.triu_indices(len(views), len(views), 1, device=views.device)
        pairs = len(first)
        if last_pair:
            first, second = first[-1:], second[-1:]
        total = _of_pairs(units[first] @ units[second].transpose(1, 2) / temperature, owners).mean()
        return total / pairs if last_pair else total


def _of_pairs(logits: Tensor, owners: Tensor) -> Tensor:
    """``(pairs of views, rows, rows)`` similarities to ``(pairs of views,)`` losses."""
    rows, columns = logits.logsumexp(dim=2), logits.logsumexp(dim=1)
    own = logits.diagonal(dim1=1, dim2=2)
    terms = [(rows - own).mean(dim=1), (columns - own).mean(dim=1)]
    i, j = same(owners).triu(1).nonzero(as_tuple=True)  # pairs of rows of one patient, i < j
    if len(i):
        terms += [(rows[:, i] - logits[:, i, j]).mean(dim=1), (columns[:, i] - logits[:, j, i]).mean(dim=1)]
    return torch.stack(terms).mean(dim=0)
