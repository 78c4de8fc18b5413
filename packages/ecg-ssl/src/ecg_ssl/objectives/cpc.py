"""The loss of contrastive predictive coding: which of several latents is the one some steps ahead?

van den Oord, Li, Vinyals, "Representation learning with contrastive predictive coding", 2018, arXiv:1807.03748, equation 4, with
the negatives of Mehari, Strodthoff, Computers in Biology and Medicine 2022, arXiv:2103.12676: other steps of the same window, or
any step of any window except those at the place that is asked for.

Differs from the published code, which adds the losses of all steps: this is their mean, so that the scale does not depend on the
length of a window; and a latent that only equals the best one counts as a guess, where the code counts it as found, which tells
of full accuracy when everything has collapsed to one point.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ecg_ssl.gather import gather_rows

__all__ = ["CPCTerms", "cpc"]

_BLOCK = 1 << 22  # similarities held at once: 16 MiB of float32


class CPCTerms(NamedTuple):
    """The loss, and how often the right latent is the best."""

    loss: Tensor
    """A scalar with gradient, ``log(1 + negatives)`` where the prediction says nothing."""
    accuracy: Tensor
    """Share of the questions whose answer scores highest; equal scores share the hit."""


def cpc(
    predictions: Tensor,
    latents: Tensor,
    draws: Tensor,
    *,
    ahead: int,
    same_window: bool = True,
    normalise: bool = False,
    temperature: float = 1.0,
    reduction: Literal["mean", "official_sum"] = "mean",
) -> CPCTerms:
    """Each prediction must find the latent ``ahead`` steps later among negatives, by dot products.

    In float32, or float64 for such inputs, whatever autocast says. Windows of all processes count, and are negatives of each
    other unless ``same_window``.

    Args:
        predictions: ``(batch, steps, width)``, of what comes ``ahead`` steps after each step.
        latents: ``(batch, steps, width)``.
        draws: ``(batch, steps - ahead, negatives)`` which latents are negatives: uniform in 0 … ``steps - 2``, or, without
            ``same_window``, in 0 … ``windows · (steps - 1) - 1`` with the windows of all processes. They number the places of a
            window without the one that is asked for.
        ahead: Steps.
        same_window: Whether negatives come from the same window.
        normalise: Compare unit vectors.
        temperature: Divides the products.
        reduction: ``"official_sum"`` adds the steps' losses as the published code does.

    Raises:
        ValueError: Shapes do not fit, there is nothing ``ahead``, or an argument is out of its range.
    """
    if predictions.shape != latents.shape or latents.ndim != 3:
        raise ValueError(
            f"predictions and latents are (batch, steps, width), got {tuple(predictions.shape)} and {tuple(latents.shape)}"
        )
    windows, steps, _ = latents.shape
    if not 0 < ahead < steps:
        raise ValueError(f"cannot look {ahead} steps ahead in {steps} steps; predict less far or use longer windows")
    if draws.ndim != 3 or draws.shape[:2] != (windows, steps - ahead) or not draws.shape[2]:
        raise ValueError(f"draws are ({windows}, {steps - ahead}, negatives), got {tuple(draws.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    if reduction not in ("mean", "official_sum"):
        raise ValueError(f"reduction must be mean or official_sum, got {reduction!r}")
    with torch.autocast(latents.device.type, enabled=False):
        q, z = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (predictions[:, : steps - ahead], latents))
        if normalise:
            q, z = F.normalize(q, dim=-1), F.normalize(z, dim=-1)
        q = q / temperature
        place = torch.arange(ahead, steps, device=z.device)  # (steps - ahead) that are asked for
        own = (q * z[:, ahead:]).sum(dim=-1)
        other = draws % (steps - 1)
        other = other + (other >= place[:, None])
        others = _same(q, z, other) if same_window else _any(q, gather_rows(z), other, draws // (steps - 1))
        # (batch, steps - ahead, 1 + negatives)
        logits = torch.cat([own[..., None], others], dim=-1)
        per_window = logits.logsumexp(dim=-1).sub(own).mean(dim=1)
        loss = gather_rows(per_window).mean()
        with torch.no_grad():
            # Equal but for the order in which their products were added up.
            tied = torch.isclose(others, own[..., None], rtol=1e-5, atol=1e-6)
            hits = (tied | (others < own[..., None])).all(dim=-1) / (1 + tied.sum(dim=-1))
            accuracy = gather_rows(hits.mean(dim=1)).mean()
    return CPCTerms(loss * (steps - ahead) if reduction == "official_sum" else loss, accuracy)


def _same(q: Tensor, z: Tensor, other: Tensor) -> Tensor:
    """Products with places of the same window; all pairs of steps, a few windows at a time: fewer numbers than all negatives."""
    rows = max(1, _BLOCK // (q.shape[1] * z.shape[1]))
    parts = zip(q.split(rows), z.split(rows), other.split(rows), strict=True)
    return torch.cat([(a @ b.transpose(1, 2)).gather(2, index) for a, b, index in parts])


def _any(q: Tensor, z: Tensor, other: Tensor, window: Tensor) -> Tensor:
    """Products with places of any window, a few questions at a time."""
    rows = max(1, _BLOCK // (z.shape[0] * z.shape[1]))
    index = (window * z.shape[1] + other).flatten(0, 1)
    parts = zip(q.flatten(0, 1).split(rows), index.split(rows), strict=True)
    every = z.flatten(0, 1).T
    return torch.cat([(a @ every).gather(1, chosen) for a, chosen in parts]).unflatten(0, q.shape[:2])
