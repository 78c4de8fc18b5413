"""ISL, experimental: windows of one subject belong together, and beats within a window do not drift.

Lan, Ng, Hong, Feng, "Intra-inter subject self-supervised learning for multivariate cardiac signals", AAAI 2022, arXiv:2109.08908.
No code of theirs is published. This is a reading and no reproduction: it was written from what the abstract says, without the
equations.

From the paper: two tasks are learned together. Within a subject, features of single heartbeats pass a test of stationarity,
which is to capture how beats depend on each other in time. Between subjects, views of recordings made by augmentations after
the clinical nature of the signal are contrasted, so that representations tell subjects apart.

Our reading: beats are stretches of equal length, as long as a heartbeat, and not cut at R peaks; the test is that of Kwiatkowski
et al. (1992), counted where it is above what the same beats have in random order; views of one patient are positives, those of
others negatives, each pair alone against them, as in 3KG; augmentations, weights, temperature and projector are ours. The
paper's encoder, convolutions for each channel with attention over the channels and a recurrent network behind them, is not built:
any backbone will do, and ``se_resnet`` is the nearest here with attention over channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_ssl.base.contrastive import BaseContrastiveLearner
from ecg_ssl.gather import gather_rows
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.objectives.patient_pairs import patient_pairs
from ecg_ssl.objectives.stationarity import drift, drift_of_any_order
from ecg_ssl.positives import known_patients
from ecg_ssl.views import agreement

__all__ = ["ISL", "RECORDING_VIEWS"]

# What differs between two recordings of one heart by how they were taken, and says nothing of the heart.
RECORDING_VIEWS: tuple[Mapping[str, Any], ...] = (
    {"name": "baseline_wander", "p": 0.8},
    {"name": "amplitude_scale", "p": 0.5},
    {"name": "gaussian_noise", "p": 0.5},
    {"name": "lead_dropout", "p": 0.5},
)


class ISL(BaseContrastiveLearner):
    """A contrast between subjects, and a penalty on beats that drift within a subject. Experimental; see the module.

    Beats may differ from one another as they do in an arrhythmia, but features that rise or fall through the window, as those of
    a wandering baseline do, are penalised.

    Args:
        backbone: Any backbone with at least three steps; its pooled features are the representation.
        augment: Transforms, or the names or configurations from which the registry builds them.
        crop_seconds: Cut each view out of its window at a random place, this long, before anything else.
        width: Channels of the projection.
        temperature: Of the softmax over similarities.
        intra: Weight of the part within subjects; 0 leaves it out.
        beat_seconds: Length of the stretches that stand for heartbeats; a window has at least three of them.

    Raises:
        ValueError: The temperature or the length of a beat is not positive, or the weight is negative.
    """

    requires = frozenset({"patient"})
    recipe = Recipe(lr=1e-3, lr_batch=0, weight_decay=1e-4, warmup=0.1)

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]] = RECORDING_VIEWS,
        crop_seconds: float | None = None,
        width: int = 128,
        temperature: float = 0.1,
        intra: float = 1.0,
        beat_seconds: float = 0.8,
    ) -> None:
        for name, value in (("temperature", temperature), ("beat_seconds", beat_seconds)):
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value!r}")
        if not intra >= 0:
            raise ValueError(f"intra is a weight from 0 on, got {intra!r}")
        projector = ProjectionHead(backbone.out_channels, hidden=backbone.out_channels, width=width)
        super().__init__(backbone, augment=augment, crop_seconds=crop_seconds, projector=projector)
        self.temperature, self.intra, self.beat_seconds = temperature, intra, beat_seconds

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {
            **super().conformance_params(),
            "arguments": {"width": 16},
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "refused": [{"temperature": 0.0}, {"intra": -1.0}, {"beat_seconds": 0.0}],
        }

    def loss(self, batch: Batch) -> Losses:
        """The contrast between subjects and, weighted, the drift within them; both are logged.

        Raises:
            ValueError: The batch has no patients, a single window or windows of a single patient, or the backbone fewer than
                three steps of a window.
        """
        owners = known_patients(batch, who=type(self).__name__)
        self.check_pairs(batch)
        views = self.views(batch)
        features = self.backbone.forward_features(torch.cat([view.signal for view in views]))
        z_a, z_b = (gather_rows(z) for z in self.projector(self.backbone.pool(features)).chunk(2))
        inter = patient_pairs(torch.cat([z_a, z_b]), gather_rows(owners).repeat(2), temperature=self.temperature)
        total, logs = inter, {"inter": inter.detach(), **agreement(z_a, z_b)}
        if self.intra > 0:
            beats = self.beats(features, seconds=views[0].signal.shape[-1] / batch.fs)
            intra = (gather_rows(drift(beats)) - drift_of_any_order(beats.shape[-1])).relu().mean()
            total, logs["intra"] = total + self.intra * intra, intra.detach()
        return Losses(total, logs)

    def beats(self, features: Tensor, *, seconds: float) -> Tensor:
        """Features ``(windows, channels, steps)`` of a window this long, averaged over stretches: ``(windows, channels, beats)``.

        Raises:
            ValueError: There are fewer than three steps.
        """
        steps = features.shape[-1]
        if steps < 3:
            raise ValueError(
                f"ISL compares at least 3 beats of a window, and {type(self.backbone).__name__} makes {steps} steps of it; use "
                "longer windows, a backbone of shorter strides, or intra=0"
            )
        with torch.autocast(features.device.type, enabled=False):
            exact = features.to(torch.promote_types(features.dtype, torch.float32))
            return F.adaptive_avg_pool1d(exact, min(steps, max(3, round(seconds / self.beat_seconds))))
