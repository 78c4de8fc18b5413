"""Contrastive multi-segment coding of all leads together: the form in which CLOCS is used today, and a part of ECG-FM.

Oh, Chung, Kwon, Hong, Choi, "Lead-agnostic self-supervised learning for local and global representations of electrocardiogram",
CHIL 2022, arXiv:2203.06889; with its random lead masking.

Differs from the published code: the gradient of the vectors' lengths is taken along (``parity="official"`` leaves it out, as
there).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.data.batch import Batch
from ecg_ssl.objectives.patient_info_nce import segment_info_nce
from ecg_ssl.views import agreement

__all__ = ["CMSC", "mask_leads"]


def mask_leads(x: Tensor, noise: Tensor, ratio: float) -> Tensor:
    """``(windows, leads, samples)`` with the leads at zero whose noise ``(windows, leads)`` is below ``ratio``."""
    return x * (noise >= ratio)[..., None]


class CMSC(SSLMethod):
    """Both halves of a window, and all windows of a patient, are drawn together; there is no head.

    Args:
        backbone: Any backbone.
        lead_mask: Probability with which each lead of each half is put to zero.
        temperature: Of the softmax over similarities.
        parity: ``"official"`` takes the vectors' lengths out without their gradient.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"patient"})
    recipe = Recipe(lr=5e-5, lr_batch=0, betas=(0.9, 0.98), weight_decay=0.01, warmup=0.0)

    def __init__(
        self,
        backbone: Backbone,
        *,
        lead_mask: float = 0.5,
        temperature: float = 0.1,
        parity: Literal["paper", "official"] = "paper",
    ) -> None:
        super().__init__()
        if not 0 <= lead_mask < 1:
            raise ValueError(f"lead_mask is a probability from 0 to below 1, got {lead_mask!r}")
        self.backbone = backbone
        self.lead_mask, self.temperature, self.parity = lead_mask, temperature, parity

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        backbones = [
            {"name": "resnet18", "widths": (8, 16), "depths": (1, 1), "kernel_size": 3},
            {"name": "vit_tiny", "width": 16, "depth": 1, "heads": 2, "head_width": 8, "patch_size": 25},
        ]
        return {
            "backbones": backbones,
            "leads": 3,
            "samples": 200,
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "refused": [{"lead_mask": 1.0}],
        }

    def halves(self, batch: Batch) -> Tensor:
        """``(2 * windows, leads, samples // 2)``: first all first halves, then the second ones, each with leads masked."""
        x = batch.signal
        half = x.shape[2] // 2
        parts = [x[..., :half], x[..., half : 2 * half]]
        if self.lead_mask == 0:
            return torch.cat(parts)
        noise = [batch.draws(place).uniform(size=(x.shape[1],)) for place in range(2)]
        return torch.cat([mask_leads(part, drawn, self.lead_mask) for part, drawn in zip(parts, noise, strict=True)])

    def loss(self, batch: Batch) -> Losses:
        """:func:`~ecg_ssl.segment_info_nce` of the pooled features of both halves.

        Raises:
            ValueError: The batch has a single window.
        """
        self.check_requirements(batch)
        if len(batch) < 2:
            raise ValueError(f"CMSC needs other windows to compare with: at least 2 in a batch, got {len(batch)}")
        z = self.backbone.pool(self.backbone.forward_features(self.halves(batch)))
        patients = torch.as_tensor(batch.patient, device=z.device).repeat(2)
        segments = torch.arange(2, device=z.device).repeat_interleave(len(batch))
        normalize: Literal["l2", "detached"] = "detached" if self.parity == "official" else "l2"
        total = segment_info_nce(z, patients, segments, temperature=self.temperature, normalize=normalize)
        return Losses(total, agreement(*z.chunk(2)))
