"""Centres of a teacher's logits: slow means over the windows of all processes, taken away before its softmax.

Caron et al., "Emerging properties in self-supervised vision transformers", ICCV 2021, arXiv:2104.14294, equation 4.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from ecg_ssl.gather import is_distributed

__all__ = ["move_centre"]


@torch.no_grad()
def move_centre(centre: Tensor, logits: Tensor, momentum: float) -> None:
    """``centre ← momentum · centre + (1 - momentum) · mean``, in place.

    Args:
        centre: ``(…, prototypes)``, all other axes of length one.
        logits: ``(rows, prototypes)`` of this process; the mean is over the rows of all.
        momentum: Share of itself that the centre keeps.
    """
    total = torch.cat([logits.sum(dim=0), logits.new_tensor([len(logits)])])
    if is_distributed():
        dist.all_reduce(total)
    centre.lerp_((total[:-1] / total[-1]).view_as(centre), 1 - momentum)
