"""DCL: NT-Xent whose denominator holds negatives only, so that small batches learn as fast as large ones.

Yeh, Hong, Hsu, Liu, Chen, LeCun, "Decoupled contrastive learning", ECCV 2022, arXiv:2110.06848, equation 6 without weights.

Differs from the paper: windows of the same patient can be left out of the negatives.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ecg_ssl.gather import gather_rows, is_distributed
from ecg_ssl.objectives.info_nce import unit_rows
from ecg_ssl.positives import same

__all__ = ["dcl"]


def dcl(z_a: Tensor, z_b: Tensor, *, patient: Tensor | None = None, temperature: float = 0.1) -> Tensor:
    """Mean over the ``2N`` views of ``-s_{i,p(i)} + log Σ_n exp(s_in)``, ``n`` the views of other windows.

    Computed in float32, or float64 for such inputs, whatever autocast says; over the windows of all processes.

    Args:
        z_a: ``(batch, width)`` projections of the first views, of any length.
        z_b: ``(batch, width)`` projections of the second views; row ``i`` belongs to row ``i`` of ``z_a``.
        patient: ``(batch,)`` int64; windows of one patient are no negatives of each other. ``None`` takes all others.
        temperature: Positive; the smaller, the more the hardest negatives count.

    Returns:
        A scalar in float32 or better, which may be negative: ``log(2 batch - 2)`` when all projections are equal.

    Raises:
        ValueError: The shapes do not fit, the temperature is not positive, or a window has no negatives.
    """
    if z_a.shape != z_b.shape or z_a.ndim != 2 or (patient is not None and patient.shape != z_a.shape[:1]):
        found = "" if patient is None else f" with patients {tuple(patient.shape)}"
        raise ValueError(
            f"expected two tensors (batch, width) of one shape, got {tuple(z_a.shape)} and {tuple(z_b.shape)}{found}"
        )
    if z_a.shape[0] < 2 and not is_distributed():
        raise ValueError(f"a contrastive loss needs other windows as negatives: at least 2 in a batch, got {z_a.shape[0]}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    with torch.autocast(z_a.device.type, enabled=False):
        a, b = unit_rows(gather_rows(z_a)), unit_rows(gather_rows(z_b))
        window = torch.arange(len(a), device=a.device)
        ours = same(window if patient is None else gather_rows(patient)).repeat(2, 2)
        if ours.all(dim=1).any():
            raise ValueError("all windows are of one patient; a contrastive loss needs other patients as negatives")
        z = torch.cat([a, b])
        negatives = (z @ z.T / temperature).masked_fill(ours, -math.inf).logsumexp(dim=1)
        return (negatives - (a * b).sum(dim=1).repeat(2) / temperature).mean()
