"""CMSC of all leads at once: adjacent segments of a recording are of one patient, and so they belong together.

Oh, Chung, Kwon, Hong, Choi, "Lead-agnostic self-supervised learning for local and global representations of electrocardiogram",
CHIL 2022, arXiv:2203.06889. The form of one lead at a time, of Kiyasseh, Zhu and Clifton (ICML 2021), is ``clocs_cmsc``.

Differs from the paper: both segments are cut out of one window, where the paper's files hold one segment each. No lead is hidden
unless ``augment`` does: ``[{"name": "lead_dropout", "rate": 0.5, "p": 1.0}]`` is the paper's random lead masking, but for one
lead that always stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_ssl.base.contrastive import BaseContrastiveLearner
from ecg_ssl.gather import gather_rows
from ecg_ssl.measured import time_mean
from ecg_ssl.objectives.cmsc import Normalise, Weigh, cmsc
from ecg_ssl.positives import known_patients, same
from ecg_ssl.segments import adjacent_segments
from ecg_ssl.views import agreement

__all__ = ["CMSC"]


class CMSC(BaseContrastiveLearner):
    """The first segment of a window finds the second of the same patient among those of all windows, and the other way round.

    Args:
        backbone: Any backbone; the mean of its features over time is compared, without a projector.
        augment: Transforms of each segment, or the names or configurations from which the registry builds them.
        segment_seconds: Length of a segment; the two then stand at a random place. ``None`` takes the halves of the window.
        temperature: Of the softmax over similarities.
        normalise: ``"detached"`` takes the length of an embedding for a constant, as published; ``"l2"`` does not.
        pairing: ``"first_second"`` compares first segments with second ones; ``"all"`` every segment with every other.
        positives: Segments of the same ``"patient"``, or only those of the same window.
        weigh: Whether each of the ``"pairs"`` counts the same, or each of the ``"anchors"``.

    Raises:
        ValueError: An argument is none of its choices, or the temperature is not positive.
    """

    requires = frozenset({"patient"})
    recipe = Recipe(lr=5e-5, lr_batch=0, betas=(0.9, 0.98), weight_decay=0.01, decay_all=True, warmup=0.0)

    def __init__(
        self,
        backbone: Backbone,
        *,
        augment: Sequence[Transform | str | Mapping[str, Any]] = (),
        segment_seconds: float | None = None,
        temperature: float = 0.1,
        normalise: Normalise = "detached",
        pairing: Literal["first_second", "all"] = "first_second",
        positives: Literal["patient", "window"] = "patient",
        weigh: Weigh = "pairs",
    ) -> None:
        super().__init__(backbone, augment=augment, projector=nn.Identity())
        choices = {
            "normalise": (normalise, ("detached", "l2")),
            "pairing": (pairing, ("first_second", "all")),
            "positives": (positives, ("patient", "window")),
            "weigh": (weigh, ("pairs", "anchors")),
        }
        for name, (given, known) in choices.items():
            if given not in known:
                raise ValueError(f"{name} must be {' or '.join(known)}, got {given!r}")
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature!r}")
        self.segment_seconds, self.temperature = segment_seconds, temperature
        self.normalise, self.weigh, self.positives, self.pairing = normalise, weigh, positives, pairing

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        return {
            **super().conformance_params(),
            "arguments": {"segment_seconds": 0.75},
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "refused": [{"temperature": 0.0}, {"normalise": "l1"}, {"pairing": "some"}, {"positives": "lead"}, {"weigh": "rows"}],
        }

    def check_requirements(self, batch: Batch) -> None:
        """Patients, unless only segments of one window belong together.

        Raises:
            ValueError: The batch has none.
        """
        if self.positives == "patient":
            super().check_requirements(batch)

    def loss(self, batch: Batch) -> Losses:
        """The loss of both directions, halved.

        Raises:
            ValueError: The batch has a single window or no patients, or windows too short.
        """
        rows = torch.arange(len(batch), device=batch.signal.device)
        owners = known_patients(batch, who=type(self).__name__) if self.positives == "patient" else _own(batch)
        self.check_pairs(batch)
        first, second = self.views(batch)
        h = self.features(torch.cat([first.signal, second.signal]), _masks(first, second))
        a, b = (gather_rows(x) for x in h.split(len(rows)))
        owners = gather_rows(owners)
        total = self._all(a, b, owners) if self.pairing == "all" else self._compared(a, b, same(owners))
        return Losses(total, agreement(a, b))

    def views(self, batch: Batch, count: int = 2) -> tuple[Batch, ...]:
        """Adjacent segments of every window, each augmented on its own."""
        parts = adjacent_segments(batch, count, seconds=self.segment_seconds)
        with torch.no_grad(), torch.autocast(batch.signal.device.type, enabled=False):
            return tuple(self.augment(part, generator=batch.draws(number)) for number, part in enumerate(parts))

    def features(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(rows, leads, samples)`` to the mean of its features over time, ``(rows, channels)``; over what was measured."""
        features = self.backbone.forward_features(x)
        return self.backbone.pool(features) if mask is None else time_mean(features, mask)

    def _compared(self, a: Tensor, b: Tensor, positives: Tensor, excluded: Tensor | None = None) -> Tensor:
        how: dict[str, Any] = {"temperature": self.temperature, "normalise": self.normalise, "weigh": self.weigh}
        return cmsc(a, b, positives, excluded=excluded, **how)

    def _all(self, a: Tensor, b: Tensor, owners: Tensor) -> Tensor:
        """Every segment against every other, itself left out."""
        z, itself = torch.cat([a, b]), torch.eye(2 * len(owners), dtype=torch.bool, device=owners.device)
        return self._compared(z, z, same(owners.repeat(2)) & ~itself, itself)


def _masks(*segments: Batch) -> Tensor | None:
    return None if segments[0].mask is None else torch.cat([torch.as_tensor(part.mask) for part in segments])


def _own(batch: Batch) -> Tensor:
    """Every window its own patient, on all processes: by its key."""
    return torch.as_tensor(batch.record_keys, device=batch.signal.device)
