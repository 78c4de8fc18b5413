"""Asymmetric loss (Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021, equations 4 to 7).

Rare classes drown in easy negatives. Negatives are focused harder than positives, and those below a probability of
``prob_margin`` are dropped altogether.

Differs from the paper: the mean over records and classes is taken instead of the sum, so that a learning rate suits any size.
torch_ecg's variant ``deep-psp`` focuses negatives by p instead of the shifted p_m and is not the paper's loss; it is not here.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecg_backbones.losses.elements import paired
from ecg_core.config.configurable import Configurable

__all__ = ["AsymmetricLoss", "asymmetric_terms"]


def asymmetric_terms(logits: Tensor, targets: Tensor, *, gamma_neg: float, gamma_pos: float, prob_margin: float) -> Tensor:
    """The loss of every element, ``-y (1-p)^γ+ log p - (1-y) p_m^γ- log(1-p_m)`` with ``p_m = max(p - margin, 0)``."""
    # (1-p)^γ as an exponential of a log-sigmoid: its gradient is finite for every γ, and for p = 1 too.
    positive = (gamma_pos * F.logsigmoid(-logits)).exp() * F.logsigmoid(logits)
    if prob_margin == 0:
        negative = (gamma_neg * F.logsigmoid(logits)).exp() * F.logsigmoid(-logits)
    else:
        shifted = logits.sigmoid() - prob_margin
        dropped = shifted <= 0
        p_m = torch.where(dropped, 0.5, shifted)  # any probability will do where the term is left out
        negative = torch.where(dropped, 0.0, p_m.pow(gamma_neg) * torch.log1p(-p_m))
    return -targets * positive - (1 - targets) * negative


class AsymmetricLoss(Configurable, nn.Module):
    """Multi-label loss that focuses positives and negatives differently and drops very easy negatives.

    Args:
        gamma_neg: Focusing of negatives; 0 for none.
        gamma_pos: Focusing of positives; 0 for none.
        prob_margin: Probability up to which a negative costs nothing, in [0, 1).

    Shape:
        logits and targets in [0, 1]: ``(batch, classes)`` or ``(batch, classes, steps)``; a scalar

    Raises:
        ValueError: A focusing is negative, or the margin is no probability below 1.
    """

    def __init__(self, *, gamma_neg: float = 4.0, gamma_pos: float = 1.0, prob_margin: float = 0.05) -> None:
        super().__init__()
        if not (gamma_neg >= 0 and gamma_pos >= 0):
            raise ValueError(f"gamma_neg and gamma_pos must be at least 0, got {gamma_neg!r} and {gamma_pos!r}")
        if not 0 <= prob_margin < 1:
            raise ValueError(f"prob_margin must be a probability in [0, 1), got {prob_margin!r}")
        self.gamma_neg, self.gamma_pos, self.prob_margin = gamma_neg, gamma_pos, prob_margin

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"refused": [{"gamma_neg": -1.0}, {"gamma_pos": -0.5}, {"prob_margin": 1.0}]}

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean over all elements."""
        logits, targets = paired(logits, targets)
        return asymmetric_terms(
            logits, targets, gamma_neg=self.gamma_neg, gamma_pos=self.gamma_pos, prob_margin=self.prob_margin
        ).mean()
