"""Each pair of one patient against the negatives alone: no other positive stands in its denominator.

Gopal, Han, Raghupathi, Ng, Tison, Rajpurkar, "3KG: contrastive learning of 12-lead electrocardiograms using
physiologically-inspired augmentations", ML4H 2021, arXiv:2106.04452.

Differs from the public implementation: the mean over pairs, where that adds them up (``total=True``).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ecg_ssl.objectives.cmsc import Normalise, scaled_rows
from ecg_ssl.positives import same

__all__ = ["patient_pairs"]


def patient_pairs(
    z: Tensor, patient: Tensor, *, temperature: float = 0.1, normalise: Normalise = "l2", total: bool = False
) -> Tensor:
    """Mean over ordered pairs ``(a, p)`` of one patient of ``-log(e^{s_ap} / (e^{s_ap} + Σ_n e^{s_an}))``.

    ``n`` are the rows of other patients and ``s`` cosines over the temperature. Computed in float32, or float64 for such inputs,
    whatever autocast says.

    Args:
        z: ``(rows, width)`` projections of all views, of any length.
        patient: ``(rows,)`` int64.
        temperature: Positive; the smaller, the more the hardest negatives count.
        normalise: See :func:`~ecg_ssl.objectives.cmsc.scaled_rows`.
        total: The sum over pairs instead of their mean.

    Returns:
        A scalar in float32 or better: ``log(1 + negatives)`` when everything is equal and all patients have as many rows.

    Raises:
        ValueError: Shapes do not fit, the temperature is not positive, no patient has two rows, or there is only one patient.
    """
    if z.ndim != 2 or patient.shape != z.shape[:1]:
        raise ValueError(f"expected (rows, width) and a patient per row, got {tuple(z.shape)} and {tuple(patient.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    ours = same(patient)
    if ours.all():
        raise ValueError("all rows are of one patient; a contrastive loss needs other patients as negatives")
    anchor, other = ours.fill_diagonal_(False).nonzero(as_tuple=True)
    if not len(anchor):
        raise ValueError("no two rows are of the same patient; a contrastive loss needs a positive pair")
    with torch.autocast(z.device.type, enabled=False):
        units = scaled_rows(z, normalise)
        logits = units @ units.T / temperature
        negatives = logits.masked_fill(same(patient), -math.inf).logsumexp(dim=1)  # (rows,)
        errors = F.softplus(negatives[anchor] - logits[anchor, other])
        return errors.sum() if total else errors.mean()
