"""COMET: steps, windows, recordings and patients are each told apart from their like.

Wang, Han, Wang, Zhang, "Contrast everything: a hierarchical contrastive framework for medical time-series", NeurIPS 2023,
arXiv:2310.14017.

Differs from the paper: samples are hidden in the signal, not behind the input projection of one certain network, so that any
backbone will do; a trial is a recording; steps beyond ``steps`` are averaged into so many, as their similarities grow with the
square; learning rate and temperature are ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ecg_core.contracts.backbone import Backbone
from ecg_core.contracts.grouping import Grouping
from ecg_core.contracts.losses import Losses
from ecg_core.contracts.recipe import Recipe
from ecg_core.contracts.ssl import SSLMethod
from ecg_core.data.batch import Batch
from ecg_ssl.gather import gather_rows
from ecg_ssl.measured import time_max
from ecg_ssl.objectives.cmsc import cmsc
from ecg_ssl.objectives.time_contrast import instance_contrast, temporal_contrast
from ecg_ssl.positives import known_patients, recording_numbers, same
from ecg_ssl.timestamps import TimestampMask, check_mask, timestamp_mask
from ecg_ssl.views import agreement

__all__ = ["COMET", "LEVELS"]

LEVELS: Mapping[str, float] = {"patient": 0.25, "trial": 0.25, "sample": 0.25, "observation": 0.25}


class COMET(SSLMethod):
    """Two views of a window hide different samples; a weighted sum of contrasts at four levels.

    Prepare short windows, of which a recording has several. A run puts four of one patient next to each other.

    Args:
        backbone: Any backbone; the maximum of its features over time is compared between recordings and patients.
        levels: Weight of each level, 1 in all; a level that is left out weighs nothing. ``"observation"``: a step finds itself in
            the other view of its window. ``"sample"``: a window finds its other view, at every step. ``"trial"``: windows of one
            recording find each other; ``"patient"``: those of one patient.
        mask: How samples are hidden; see :func:`~ecg_ssl.timestamps.timestamp_mask`.
        keep: Probability that a binomial mask shows a sample.
        temperature: Of the similarities between recordings and patients.
        steps: Most steps that are told apart.

    Raises:
        ValueError: Weights are unknown, negative or not 1 in all, or another argument is none of its choices.
    """

    requires = frozenset({"patient"})
    grouping = Grouping(4)
    recipe = Recipe(lr=1e-3, lr_batch=0, weight_decay=1e-4, warmup=0.1)

    def __init__(
        self,
        backbone: Backbone,
        *,
        levels: Mapping[str, float] = LEVELS,
        mask: TimestampMask = "binomial",
        keep: float = 0.5,
        temperature: float = 0.1,
        steps: int = 64,
    ) -> None:
        super().__init__()
        strange = [name for name in levels if name not in LEVELS]
        if strange:
            raise ValueError(f"levels are {', '.join(LEVELS)}, got {', '.join(strange)}")
        if min(levels.values(), default=0) < 0 or not math.isclose(sum(levels.values()), 1, abs_tol=1e-6):
            raise ValueError(f"weights of levels are not negative and 1 in all, got {dict(levels)}")
        check_mask(mask, keep)
        if not temperature > 0 or steps < 1:
            raise ValueError(f"temperature and steps must be positive, got {temperature!r} and {steps!r}")
        self.backbone = backbone
        self.levels = {name: weight for name, weight in levels.items() if weight > 0}
        self.mask, self.keep, self.temperature, self.steps = mask, keep, temperature, steps

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """What the contract kit may rely on."""
        backbones = [
            {"name": "resnet18", "widths": (8, 16), "depths": (1, 1), "kernel_size": 3},
            {"name": "vit_tiny", "width": 16, "depth": 1, "heads": 2, "head_width": 8, "patch_size": 25},
        ]

        def views(method: COMET, batch: Batch) -> list[Tensor]:
            return [view.signal for view in method.views(batch)]

        return {
            "backbones": backbones,
            "leads": 3,
            "samples": 200,
            "views": views,
            "extremes": [{"temperature": 1e-3}, {"temperature": 1e3}],
            "refused": [{"levels": {"patient": 0.5}}, {"levels": {"beat": 1.0}}, {"mask": "all"}, {"keep": 0.0}, {"steps": 0}],
        }

    def check_requirements(self, batch: Batch) -> None:
        """Patients or recordings, where a level compares them.

        Raises:
            ValueError: The batch has none.
        """
        self._owners(batch)

    def loss(self, batch: Batch) -> Losses:
        """The weighted sum of the levels, each of which is logged.

        Raises:
            ValueError: A level needs patients or recordings, and the batch has none.
        """
        owners = {name: gather_rows(numbers) for name, numbers in self._owners(batch).items()}
        features = [self.backbone.forward_features(view.signal) for view in self.views(batch)]
        mask = None if batch.mask is None else torch.as_tensor(batch.mask)
        h_a, h_b = (gather_rows(time_max(x, mask)) for x in features)
        z_a, z_b = (F.adaptive_avg_pool1d(x, min(self.steps, x.shape[-1])) for x in features)
        terms: dict[str, Tensor] = {name: self._apart(h_a, h_b, numbers) for name, numbers in owners.items()}
        if "sample" in self.levels:
            terms["sample"] = instance_contrast(gather_rows(z_a), gather_rows(z_b))
        if "observation" in self.levels:
            terms["observation"] = gather_rows(temporal_contrast(z_a, z_b)).mean()
        total = torch.stack([self.levels[name] * value for name, value in terms.items()]).sum()
        logs = {name: value.detach() for name, value in terms.items()}
        return Losses(total, {**logs, **agreement(h_a, h_b)})

    def views(self, batch: Batch) -> tuple[Batch, ...]:
        """Two versions of every window in which different samples are zero."""
        shape = batch.signal.shape[1:]
        shown = [timestamp_mask(batch.draws(view), *shape, kind=self.mask, keep=self.keep) for view in range(2)]
        return tuple(replace(batch, signal=batch.signal * mask) for mask in shown)

    def _owners(self, batch: Batch) -> dict[str, Tensor]:
        """Whose each window is, at the levels that compare windows."""
        known = {"patient": known_patients, "trial": recording_numbers}
        return {name: known[name](batch, who=f"COMET's level '{name}'") for name in known if name in self.levels}

    def _apart(self, a: Tensor, b: Tensor, owners: Tensor) -> Tensor:
        """The contrast between owners, over windows of which there is another; 0 where there is none."""
        positives = same(owners).fill_diagonal_(False)
        if not positives.any():
            return 0.0 * a.float().sum()
        return cmsc(a, b, positives, temperature=self.temperature, normalise="l2", weigh="anchors")
