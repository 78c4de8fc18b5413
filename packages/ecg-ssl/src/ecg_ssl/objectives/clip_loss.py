"""The loss of CLIP: windows and what is said of them, such as reports, find each other both ways.

Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021, arXiv:2103.00020, figure 3;
for ECGs and reports Liu et al. (MERL), ICML 2024, arXiv:2403.06659, whose code adds both directions up (``parity="official"``).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ecg_ssl.gather import gather_rows, is_distributed
from ecg_ssl.objectives.info_nce import unit_rows
from ecg_ssl.positives import same

__all__ = ["clip_loss", "similarity_scale"]

_GREATEST = 100.0  # of a learned scale, as in CLIP


def similarity_scale(log_scale: Tensor) -> Tensor:
    """The scale of similarities from the logarithm that is learned, ``exp(log_scale)`` kept within 1 and 100.

    Beyond them the gradient is 0, so start inside, at ``log(1 / 0.07)``. :func:`clip_loss` takes it.
    """
    return log_scale.float().exp().clamp(1.0, _GREATEST)


def clip_loss(
    ecg: Tensor,
    text: Tensor,
    *,
    temperature: float = 0.07,
    scale: Tensor | None = None,
    repeats: Tensor | None = None,
    parity: Literal["paper", "official"] = "paper",
) -> Tensor:
    """Mean of the cross-entropies over the rows and over the columns of the similarities.

    Computed in float32, or float64 for such inputs, whatever autocast says; over the pairs of all processes.

    Args:
        ecg: ``(batch, width)`` embeddings of windows, of any length.
        text: ``(batch, width)`` embeddings of what is said of each.
        temperature: Positive; cosines are divided by it.
        scale: What cosines are multiplied by instead, where it is learned; see :func:`similarity_scale`.
        repeats: ``(batch,)`` int64, equal where texts are the same: such pairs are no negatives of each other.
        parity: ``"official"`` is the sum of both directions, as MERL's code has it.

    Returns:
        A scalar in float32 or better, ``log(batch)`` when everything is equal.

    Raises:
        ValueError: Shapes do not fit, there is a single pair, the temperature is not positive, or ``parity`` is neither.
    """
    if ecg.shape != text.shape or ecg.ndim != 2 or (repeats is not None and repeats.shape != ecg.shape[:1]):
        found = "" if repeats is None else f" with repeats {tuple(repeats.shape)}"
        raise ValueError(
            f"expected two tensors (batch, width) of one shape, got {tuple(ecg.shape)} and {tuple(text.shape)}{found}"
        )
    if len(ecg) < 2 and not is_distributed():
        raise ValueError(f"a contrastive loss needs other pairs as negatives: at least 2 in a batch, got {len(ecg)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    if parity not in ("paper", "official"):
        raise ValueError(f"parity must be paper or official, got {parity!r}")
    with torch.autocast(ecg.device.type, enabled=False):
        cosines = unit_rows(gather_rows(ecg)) @ unit_rows(gather_rows(text)).T
        logits = cosines / temperature if scale is None else cosines * scale.to(cosines.dtype)
        if repeats is not None:
            alike = same(gather_rows(repeats)).fill_diagonal_(False)
            logits = logits.masked_fill(alike, -math.inf)
        own = torch.arange(len(logits), device=logits.device)
        both = F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)
        return both if parity == "official" else both / 2
