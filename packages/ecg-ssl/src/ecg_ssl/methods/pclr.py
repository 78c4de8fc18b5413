"""PCLR: two recordings of one patient, taken on different days, belong together.

Diamant, Reinertsen, Song, Aguirre, Stultz, Batra, "Patient contrastive learning: a performant, expressive, and practical approach
to electrocardiogram modeling", PLOS Comput. Biol. 2022, arXiv:2104.04569.

What lasts from one visit to the next, such as age and sex, becomes easy to read off; what comes and goes may be lost.

Differs from the paper: the mean over all anchors, where the published code adds up both directions (``parity="official"``); sizes
of the projector follow the backbone (320 and 320 there); how far apart two recordings were taken is not looked at, as a store
does not hold their dates; the learning rate is a hundredth. Ten seconds at 409.6 Hz are the 4096 samples of the paper,
and ``{"name": "resnet_antonior92", "dropout": 0.0}`` is its network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.grouping import Grouping
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_ssl.base.contrastive import BaseContrastiveLearner
from ecg_ssl.heads.projection import ProjectionHead
from ecg_ssl.objectives.nt_xent import nt_xent
from ecg_ssl.positives import known_patients, recording_numbers
from ecg_ssl.views import agreement

__all__ = ["PCLR", "patient_pairs_of"]

_ORDER = 0x9C1  # the draw of which recordings of a patient are compared


class PCLR(BaseContrastiveLearner):
    """NT-Xent of two recordings of each patient, as they are.

    Args:
        backbone: Any backbone; its pooled features are the representation.
        augment: Transforms of each recording, or the names or configurations from which the registry builds them.
        crop_seconds: Cut each recording at a random place, this long.
        width: Channels of the projection; ``None`` takes as many as the backbone has.
        temperature: Of the softmax over similarities.
        parity: ``"official"`` is twice the mean, as the published code has it.

    Raises:
        ValueError: ``parity`` is neither, or the temperature is not positive.
    """

    requires = frozenset({"patient"})
    grouping = Grouping(2, apart=True)
    recipe = Recipe(lr=1e-3, lr_batch=0, weight_decay=0.0, warmup=0.0)

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]] = (),
        crop_seconds: float | None = None,
        width: int | None = None,
        temperature: float = 0.1,
        parity: Literal["paper", "official"] = "paper",
    ) -> None:
        if parity not in ("paper", "official"):
            raise ValueError(f"parity must be paper or official, got {parity!r}")
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature!r}")
        width = width or backbone.out_channels
        projector = ProjectionHead(backbone.out_channels, hidden=width, width=width, norm=False)
        super().__init__(backbone, augment=augment, crop_seconds=crop_seconds, projector=projector)
        self.temperature, self.scale = temperature, 2.0 if parity == "official" else 1.0

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""

        def views(method: PCLR, batch: Batch) -> list[Tensor]:
            return [view.signal for view in method.views(batch)]

        return {
            **super().conformance_params(),
            "arguments": {"width": 16, "augment": [{"name": "gaussian_noise", "p": 1.0}]},
            "views": views,
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "refused": [{"temperature": 0.0}, {"parity": "code"}],
        }

    def loss(self, batch: Batch) -> Losses:
        """NT-Xent of the pairs of the batch.

        Raises:
            ValueError: The batch has no patients or recordings, or there are not two patients with two recordings.
        """
        (view,) = self.views(batch, 1)
        first, second = patient_pairs_of(batch, who=type(self).__name__)
        z_a, z_b = self.embed(view.signal[torch.cat([first, second])]).chunk(2)
        return Losses(self.scale * nt_xent(z_a, z_b, temperature=self.temperature), agreement(z_a, z_b))


def patient_pairs_of(batch: Batch, *, who: str) -> tuple[Tensor, Tensor]:
    """Rows of two windows of each patient that are of different recordings; which ones is drawn, and changes with the epoch.

    Args:
        batch: Windows, with patients and the names of their recordings.
        who: The method that asks, for messages.

    Returns:
        Two ``(pairs,)`` int64 of rows, on the device of the signal. Patients of one recording are in neither.

    Raises:
        ValueError: The batch has no patients or recordings, or no patient has two recordings.
    """
    patient, recording = (numbers(batch, who=who).cpu().numpy() for numbers in (known_patients, recording_numbers))
    chance = batch.draws(_ORDER).uniform().cpu().numpy()
    order = np.lexsort((chance, patient))
    order = order[np.sort(np.unique(recording[order], return_index=True)[1])]  # of each recording the first
    patients, start, count = np.unique(patient[order], return_index=True, return_counts=True)
    start = start[count > 1]
    if not len(start):
        raise ValueError(
            f"{who} compares two recordings of one patient, and none of the {len(patients)} patients of this batch has two; "
            "order batches by patient, as a run does by the method's grouping"
        )
    first, second = (torch.from_numpy(order[start + place]).to(batch.signal.device) for place in (0, 1))
    return first, second
