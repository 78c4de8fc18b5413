"""Losses of DINO and iBOT: the student's distribution over prototypes follows the teacher's, which is centred and sharpened.

Caron et al., "Emerging properties in self-supervised vision transformers", ICCV 2021, arXiv:2104.14294, algorithm 1; Zhou et al.,
"iBOT: image BERT pre-training with online tokenizer", ICLR 2022, arXiv:2111.07832, equation 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["dino_loss", "ibot_loss", "teacher_probabilities"]


def teacher_probabilities(logits: Tensor, centre: Tensor, temperature: float) -> Tensor:
    """``softmax((logits - centre) / temperature)`` without a gradient, in float32 or better."""
    exact = logits.detach().to(torch.promote_types(logits.dtype, torch.float32))
    return ((exact - centre) / temperature).softmax(dim=-1)


def dino_loss(students: Sequence[Tensor], teachers: Sequence[Tensor], *, temperature: float = 0.1) -> Tensor:
    """Mean cross-entropy of every teacher crop and every other student crop.

    Args:
        students: Logits of all crops, each ``(windows, prototypes)``; the first ones are the teacher's crops.
        teachers: Probabilities of the teacher's crops, in the same order.
        temperature: Of the student.

    Raises:
        ValueError: No pair of different crops is there.
    """
    with torch.autocast(students[0].device.type, enabled=False):
        logs = [(s.to(torch.promote_types(s.dtype, torch.float32)) / temperature).log_softmax(dim=-1) for s in students]
        pairs = [-(t * s).sum(dim=-1).mean() for i, t in enumerate(teachers) for j, s in enumerate(logs) if i != j]
        if not pairs:
            raise ValueError("self-distillation compares different crops, and there is one; use a second crop")
        return torch.stack(pairs).mean()


def ibot_loss(student: Tensor, teacher: Tensor, hidden: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Mean over windows of the mean cross-entropy at hidden patches; 0 of a window that hides none.

    Args:
        student: Logits of patches, ``(windows, patches, prototypes)``.
        teacher: Probabilities of the same.
        hidden: ``(windows, patches)``, true where the student did not see the patch.
        temperature: Of the student.
    """
    with torch.autocast(student.device.type, enabled=False):
        exact = student.to(torch.promote_types(student.dtype, torch.float32))
        entropy = -(teacher * (exact / temperature).log_softmax(dim=-1)).sum(dim=-1)
        seen = hidden.to(entropy.dtype)
        return ((entropy * seen).sum(dim=1) / seen.sum(dim=1).clamp(min=1)).mean()
