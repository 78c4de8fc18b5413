"""Contrastive losses whose positives are all windows of the same patient: of CLOCS, and of its successor for several leads.

Kiyasseh, Zhu, Clifton, "CLOCS: contrastive learning of cardiac signals across space, time, and patients", ICML 2021,
arXiv:2005.13249, equations 2 and 3; Oh, Chung, Kwon, Hong, Choi, "Lead-agnostic self-supervised learning for local and global
representations of electrocardiogram", CHIL 2022, arXiv:2203.06889.

Denominators hold all windows, other positives too, as in both publications.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ecg_ssl.gather import gather_rows

__all__ = ["clocs_loss", "patient_info_nce", "segment_info_nce"]


def clocs_loss(
    views: Sequence[Tensor], patients: Tensor, *, temperature: float = 0.1, parity: Literal["paper", "official"] = "paper"
) -> Tensor:
    """:func:`patient_info_nce` of every pair of views, averaged.

    Args:
        views: At least two, each ``(windows, width)``; row ``i`` of all of them is of patient ``patients[i]``.
        patients: ``(windows,)`` int64.
        temperature: Positive.
        parity: ``"official"`` repeats the published code, which keeps the last pair alone and divides it by the number of pairs.

    Raises:
        ValueError: There are fewer than two views, shapes differ, or the temperature is not positive.
    """
    pairs = list(combinations(views, 2))
    if not pairs:
        raise ValueError(f"a contrastive loss compares two views or more, got {len(views)}")
    if parity == "official":
        return patient_info_nce(*pairs[-1], patients, temperature=temperature) / len(pairs)
    return torch.stack([patient_info_nce(a, b, patients, temperature=temperature) for a, b in pairs]).mean()


def patient_info_nce(first: Tensor, second: Tensor, patients: Tensor, *, temperature: float = 0.1) -> Tensor:
    """The mean of up to four terms: both directions of InfoNCE, and both triangles of other windows of the same patient.

    With ``s_ij = cos(first_i, second_j) / temperature``: the means over ``i`` of ``-log softmax`` of ``s_ii`` along its row and
    along its column; of the pairs ``i < j`` of one patient that of ``s_ij`` along its row, of those with ``i > j`` along its
    column. The windows of all processes are compared.

    Args:
        first: ``(windows, width)``, of any length.
        second: Another view of the same windows.
        patients: ``(windows,)`` int64.
        temperature: Positive.

    Returns:
        A scalar in float32 or better, ``log(windows)`` when everything is equal.

    Raises:
        ValueError: Shapes differ, or the temperature is not positive.
    """
    if first.shape != second.shape or first.ndim != 2 or patients.shape != first.shape[:1]:
        raise ValueError(
            f"expected two views (windows, width) of one shape and a patient per window, got {tuple(first.shape)}, "
            f"{tuple(second.shape)} and {tuple(patients.shape)}"
        )
    _check(temperature)
    with torch.autocast(first.device.type, enabled=False):
        a, b = (F.normalize(_exact(gather_rows(view)), dim=1) for view in (first, second))
        owners = gather_rows(patients)
        s = a @ b.T / temperature
        rows, columns = -s.log_softmax(dim=1), -s.log_softmax(dim=0)
        same = owners[:, None] == owners
        upper, lower = same.triu(1), same.tril(-1)
        terms = [rows.diagonal().mean(), columns.diagonal().mean()]
        if upper.any():
            terms += [rows[upper].mean(), columns[lower].mean()]
        return torch.stack(terms).mean()


def segment_info_nce(
    embeddings: Tensor,
    patients: Tensor,
    segments: Tensor,
    *,
    temperature: float = 0.1,
    normalize: Literal["l2", "detached"] = "l2",
) -> Tensor:
    """First segments find the second segments of their patient, and the other way round.

    The mean over all pairs of one patient, of both directions; a patient with ``k`` windows weighs ``k²``. The windows of all
    processes are compared.

    Args:
        embeddings: ``(rows, width)``, of any length.
        patients: ``(rows,)`` int64.
        segments: ``(rows,)``, 0 or 1.
        temperature: Positive.
        normalize: ``"detached"`` takes the lengths of the vectors out without their gradient, as the published code does: the
            values are those of ``"l2"``, the gradient also changes lengths.

    Returns:
        A scalar in float32 or better.

    Raises:
        ValueError: Shapes do not fit, the temperature is not positive, or no first segment has a partner.
    """
    if embeddings.ndim != 2 or patients.shape != embeddings.shape[:1] or segments.shape != patients.shape:
        raise ValueError(
            f"expected (rows, width) with a patient and a segment per row, got {tuple(embeddings.shape)}, "
            f"{tuple(patients.shape)} and {tuple(segments.shape)}"
        )
    _check(temperature)
    with torch.autocast(embeddings.device.type, enabled=False):
        z = _exact(gather_rows(embeddings))
        length = z.norm(dim=1, keepdim=True)
        z = z / (length.detach() if normalize == "detached" else length).clamp(min=1e-8)
        owners, places = gather_rows(patients), gather_rows(segments)
        early, late = places == 0, places == 1
        s = z[early] @ z[late].T / temperature
        same = owners[early][:, None] == owners[late]
        if not same.any():
            raise ValueError("no patient of this batch has a first and a second segment, so there is nothing to draw together")
        return -0.5 * (s.log_softmax(dim=1)[same].mean() + s.log_softmax(dim=0)[same].mean())


def _exact(z: Tensor) -> Tensor:
    return z.to(torch.promote_types(z.dtype, torch.float32))


def _check(temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
