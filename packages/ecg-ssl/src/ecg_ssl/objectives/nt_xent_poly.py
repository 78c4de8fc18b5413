"""NT-Xent with the first term of a polynomial added, as the code of TF-C trains with.

Zhang et al., NeurIPS 2022, arXiv:2206.08496, in the form of its code; Leng et al., "PolyLoss", ICLR 2022, arXiv:2204.12511, whose
loss adds ``ε (1 - p)`` for the probability ``p`` of the right answer. The code takes ``ε = N`` and divides the probabilities by
all entries of its matrix, so that the term is ``1 - mean p · N / (2N - 1)``, between a half and 1.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ecg_ssl.gather import gather_rows

__all__ = ["nt_xent_poly"]


def nt_xent_poly(z_a: Tensor, z_b: Tensor, temperature: float = 0.2) -> Tensor:
    """NT-Xent of the windows of all processes, plus ``N (1 / N - Σ p / (2N (2N - 1)))``.

    In float32, or float64 for such inputs, whatever autocast says.

    Args:
        z_a: ``(batch, width)``, of any length.
        z_b: ``(batch, width)``; row ``i`` belongs to row ``i`` of ``z_a``.
        temperature: Positive.

    Raises:
        ValueError: The shapes differ, there is one window, or the temperature is not positive.
    """
    if z_a.shape != z_b.shape or z_a.ndim != 2:
        raise ValueError(f"expected two tensors (batch, width) of one shape, got {tuple(z_a.shape)} and {tuple(z_b.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    with torch.autocast(z_a.device.type, enabled=False):
        a, b = gather_rows(z_a), gather_rows(z_b)
        windows = len(a)
        if windows < 2:
            raise ValueError(f"a contrastive loss needs other windows as negatives: at least 2 in a batch, got {windows}")
        z = torch.cat([a, b])
        z = F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1)
        logits = (z @ z.T / temperature).fill_diagonal_(-math.inf)
        views = torch.arange(2 * windows, device=z.device)
        log_p = logits.log_softmax(dim=1)[views, (views + windows) % (2 * windows)]
        return -log_p.mean() + 1 - log_p.exp().mean() * windows / (2 * windows - 1)
