"""3KG: views of one heart, turned and stretched in its vectorcardiogram and half hidden in time, belong to one patient.

Gopal, Han, Raghupathi, Ng, Tison, Rajpurkar, "3KG: contrastive learning of 12-lead electrocardiograms using
physiologically-inspired augmentations", ML4H 2021, arXiv:2106.04452.

Differs from the public implementation: what no dipole explains stays in the views (there, three numbers per sample are left), a
projector stands behind the backbone, as in the paper, and pairs are averaged (``parity="official"`` adds them up).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_ssl.base.contrastive import BaseContrastiveLearner
from ecg_ssl.gather import gather_rows
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.objectives.cmsc import Normalise
from ecg_ssl.objectives.patient_pairs import patient_pairs
from ecg_ssl.positives import known_patients
from ecg_ssl.views import agreement

__all__ = ["HEART_VIEWS", "ThreeKG"]

HEART_VIEWS: tuple[Mapping[str, Any], ...] = (
    {"name": "vcg_rotation", "degrees": (0.0, 45.0), "scale": (1.0, 1.5), "p": 1.0},
    {"name": "random_masking", "ratio": (0.5, 0.5), "per_lead": True, "circular": True, "p": 1.0},
)


class ThreeKG(BaseContrastiveLearner):
    """Two views of every window; each pair of views of one patient is drawn together, against the views of all others.

    Args:
        backbone: Any backbone of the 12 leads, or of the 8 independent ones; its pooled features are the representation.
        augment: Transforms, or the names or configurations from which the registry builds them.
        crop_seconds: Cut each view out of its window at a random place, this long, before anything else.
        width: Channels of the projection.
        temperature: Of the softmax over similarities.
        normalise: ``"detached"`` takes the length of a projection for a constant, as in public; ``"l2"`` does not.
        positives: Views of the same ``"patient"``, or only those of the same ``"window"``.
        parity: ``"official"`` adds the losses of all pairs up, so that the scale depends on the batch.

    Raises:
        ValueError: An argument is none of its choices, or the temperature is not positive.
    """

    requires = frozenset({"patient"})
    recipe = Recipe(lr=5e-5, lr_batch=0, betas=(0.9, 0.98), weight_decay=0.01, decay_all=True, warmup=0.0)

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]] = HEART_VIEWS,
        crop_seconds: float | None = None,
        width: int = 128,
        temperature: float = 0.1,
        normalise: Normalise = "l2",
        positives: Literal["patient", "window"] = "patient",
        parity: Literal["paper", "official"] = "paper",
    ) -> None:
        choices = {
            "normalise": (normalise, ("detached", "l2")),
            "positives": (positives, ("patient", "window")),
            "parity": (parity, ("paper", "official")),
        }
        for name, (given, known) in choices.items():
            if given not in known:
                raise ValueError(f"{name} must be {' or '.join(known)}, got {given!r}")
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature!r}")
        projector = ProjectionHead(backbone.out_channels, hidden=backbone.out_channels, width=width)
        super().__init__(backbone, augment=augment, crop_seconds=crop_seconds, projector=projector)
        self.temperature, self.normalise, self.positives, self.total = temperature, normalise, positives, parity == "official"

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on: twelve leads, without which there is no vectorcardiogram."""
        return {
            **super().conformance_params(),
            "leads": 12,
            "arguments": {"width": 16},
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "refused": [{"temperature": 0.0}, {"normalise": "l1"}, {"positives": "lead"}, {"parity": "code"}],
        }

    def check_requirements(self, batch: Batch) -> None:
        """Patients, unless only views of one window belong together.

        Raises:
            ValueError: The batch has none.
        """
        if self.positives == "patient":
            super().check_requirements(batch)

    def loss(self, batch: Batch) -> Losses:
        """The mean over all pairs of views of one patient.

        Raises:
            ValueError: The batch has no patients, a single window, or windows of a single patient.
        """
        if self.positives == "patient":
            owners: Tensor = known_patients(batch, who=type(self).__name__)
        else:
            owners = torch.as_tensor(batch.record_keys, device=batch.signal.device)
        self.check_pairs(batch)
        z_a, z_b = (gather_rows(z) for z in self.project(*self.views(batch)))
        how: dict[str, Any] = {"temperature": self.temperature, "normalise": self.normalise, "total": self.total}
        return Losses(patient_pairs(torch.cat([z_a, z_b]), gather_rows(owners).repeat(2), **how), agreement(z_a, z_b))
