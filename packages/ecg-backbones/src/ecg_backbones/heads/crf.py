"""CRF head: scores per step whose sequence is judged as a whole, so that impossible successions do not occur."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ecg_backbones.layers.crf import CRF
from ecg_core.contracts.head import Head
from ecg_core.errors import DataError

__all__ = ["CRFHead", "CRFObjective"]


class CRFObjective(nn.Module):
    """Negative log likelihood of the labels under a linear-chain CRF, and its marginal probabilities.

    Args:
        classes: Number of labels.

    Shape:
        logits ``(batch, classes, samples)``; targets ``(batch, samples)`` class numbers, or ``(batch, classes, samples)`` of
        which the highest counts
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.crf = CRF(classes)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean over the windows of the negative log likelihood per sample, in fp32.

        Raises:
            DataError: Samples are without a label anywhere but at the end of a window.
        """
        labels = targets.argmax(dim=1) if targets.ndim == logits.ndim else targets.long()
        known = labels >= 0
        if not bool(known[:, 0].all()) or bool((known[:, 1:] & ~known[:, :-1]).any()):
            raise DataError("a CRF learns from whole sequences: labels may be missing (-1) only at the end of a window")
        with torch.autocast(logits.device.type, enabled=False):
            return -(self.crf(logits.float(), labels, known) / known.sum(dim=1)).mean()

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probability of each label at each sample, given all of them: the derivative of the log partition."""
        with torch.inference_mode(False), torch.enable_grad():
            leaf = logits.detach().float().clone().requires_grad_(True)
            (marginals,) = torch.autograd.grad(self.crf.log_partition(leaf).sum(), leaf)
        return marginals.clamp(0, 1)

    def decode(self, logits: Tensor) -> Tensor:
        """The most probable sequence, ``(batch, samples)`` class numbers (Viterbi)."""
        return self.crf.decode(logits)


class CRFHead(Head):
    """One convolution over single steps that infers its input; what is minimised is the CRF's.

    The recursion walks over the samples one by one: for sequences of beats and for short windows.

    Args:
        classes: Number of labels.
        dropout: Probability of zeroing a channel in training, over the whole window.

    Shape:
        ``(batch, channels, steps)`` to ``(batch, classes, steps)``

    Raises:
        ValueError: ``classes`` is below 1.
    """

    reads = "features"

    def __init__(self, classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"a head needs at least one class, got {classes}")
        self.classes = classes
        self.dropout = nn.Dropout1d(dropout)
        self.conv = nn.LazyConv1d(classes, 1)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {"arguments": {"dropout": 0.1}, "refused": [{"classes": 0}]}

    def objective(self) -> CRFObjective:
        """The CRF over the scores."""
        return CRFObjective(self.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores before the CRF, ``(batch, classes, steps)``."""
        return self.conv(self.dropout(x))
