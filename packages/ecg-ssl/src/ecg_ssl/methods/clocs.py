"""CLOCS: segments and leads of one patient are drawn together.

Kiyasseh, Zhu, Clifton, "CLOCS: contrastive learning of cardiac signals across space, time, and patients", ICML 2021,
arXiv:2005.13249.

Differs from the published code: all pairs of views train, where the code keeps the last pair alone (``parity="official"``).
Differs from the paper: any backbone will do. One that takes a single lead sees views of one lead, as published; one of
several leads sees a lead with the others at zero, so that it stays an encoder of them all.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from ecg_core.config.configurable import Variant
from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.data.batch import Batch
from ecg_ssl.objectives.patient_info_nce import clocs_loss
from ecg_ssl.views import agreement

__all__ = ["CLOCS", "clocs_cmlc", "clocs_cmsmlc"]

Pairing = Literal["cmsc", "cmlc", "cmsmlc"]


class CLOCS(SSLMethod):
    """Views of a window are its halves, its leads, or the leads of its halves; windows of one patient belong together.

    Args:
        backbone: Any backbone.
        pairing: ``"cmsc"``, halves of the window (contrastive multi-segment coding); ``"cmlc"``, its leads; ``"cmsmlc"``, the
            leads of both halves.
        width: Channels of the embedding that is compared; there is no further head.
        flatten: Embed all steps of the features, as published, instead of their pooled ones; then windows keep their length.
        temperature: Of the softmax over similarities.
        parity: ``"official"`` trains what the published code trains of more than two views: the last pair, divided by the pairs.

    Raises:
        ValueError: There is no such pairing.
    """

    requires: ClassVar[frozenset[str]] = frozenset({"patient"})
    recipe = Recipe(lr=1e-4, lr_batch=0, weight_decay=0.0, warmup=0.0)

    def __init__(
        self,
        backbone: Backbone,
        *,
        pairing: Pairing = "cmsc",
        width: int = 256,
        flatten: bool = False,
        temperature: float = 0.1,
        parity: Literal["paper", "official"] = "paper",
    ) -> None:
        super().__init__()
        if pairing not in get_args(Pairing):
            raise ValueError(f"pairing must be one of {', '.join(get_args(Pairing))}, got {pairing!r}")
        self.backbone = backbone
        self.projector = nn.LazyLinear(width) if flatten else nn.Linear(backbone.out_channels, width)
        self.pairing, self.flatten, self.temperature, self.parity = pairing, flatten, temperature, parity

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        backbones = [
            {"name": "resnet18", "widths": (8, 16), "depths": (1, 1), "kernel_size": 3},
            {"name": "clocs_cnn", "widths": (4, 6), "kernel_size": 5, "stride": 2},
        ]
        return {
            "backbones": backbones,
            "leads": 3,
            "samples": 240,
            "arguments": {"width": 16},
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "deterministic": True,
            "refused": [{"pairing": "cmcs"}],
        }

    def views(self, batch: Batch) -> tuple[list[Tensor], Tensor]:
        """The views, each ``(windows, leads, samples)``, and the patients of their windows, ``(windows,)``.

        Halves are adjacent and of equal length: of an odd window the last sample is left out. They lie next to each other, lead
        by lead where there are both. With a backbone of one lead, ``"cmsc"`` makes a window of every lead.

        Raises:
            ValueError: ``"cmlc"`` of a single lead.
        """
        x, patients = batch.signal, torch.as_tensor(batch.patient, device=batch.signal.device)
        half = x.shape[2] // 2
        halves = [x[..., :half], x[..., half : 2 * half]]
        leads, alone = x.shape[1], self.backbone.in_leads == 1
        if self.pairing == "cmsc":
            if not alone or leads == 1:
                return halves, patients
            return [part.flatten(0, 1)[:, None] for part in halves], patients.repeat_interleave(leads)
        if self.pairing == "cmlc" and leads < 2:
            raise ValueError("clocs with pairing='cmlc' compares leads, and these windows have one; use pairing='cmsc'")
        parts = [x] if self.pairing == "cmlc" else halves
        return [self._lead(part, lead, alone=alone) for lead in range(leads) for part in parts], patients

    @staticmethod
    def _lead(x: Tensor, lead: int, *, alone: bool) -> Tensor:
        if alone:
            return x[:, lead : lead + 1]
        only = torch.zeros_like(x)
        only[:, lead] = x[:, lead]
        return only

    def loss(self, batch: Batch) -> Losses:
        """:func:`~ecg_ssl.clocs_loss` of all views.

        Raises:
            ValueError: The batch has a single window, or leads are to be compared and there is one.
        """
        self.check_requirements(batch)
        views, patients = self.views(batch)
        if len(patients) < 2:
            raise ValueError(f"CLOCS needs other windows to compare with: at least 2 in a batch, got {len(patients)}")
        z = self.embed(torch.cat(views)).chunk(len(views))
        return Losses(clocs_loss(z, patients, temperature=self.temperature, parity=self.parity), agreement(z[-2], z[-1]))

    def embed(self, x: Tensor) -> Tensor:
        """``(windows, leads, samples)`` to embeddings ``(windows, width)``."""
        features = self.backbone.forward_features(x)
        return self.projector(features.flatten(1) if self.flatten else self.backbone.pool(features))


clocs_cmlc = Variant(CLOCS, {"pairing": "cmlc"})
clocs_cmsmlc = Variant(CLOCS, {"pairing": "cmsmlc"})
