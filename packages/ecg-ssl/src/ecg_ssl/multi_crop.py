"""Multi-crop in time: a few long crops of each window and several short ones, each augmented on its own.

Caron et al., "Unsupervised learning of visual features by contrasting cluster assignments", NeurIPS 2020, arXiv:2006.09882. Crops
are not stretched to one length, which would change the heart rate: crops of equal length go through the encoder together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from ecg_core.contracts.compose import Compose
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch

__all__ = ["Crops", "MultiCrop"]


class Crops(NamedTuple):
    """Crops of a batch."""

    long: tuple[Batch, ...]
    short: tuple[Batch, ...]


class MultiCrop:
    """Cuts crops of two lengths at random places.

    Args:
        augment: What is done to each crop: transforms, or the names or configurations from which the registry builds them.
        long: How many long crops.
        short: How many short ones.
        long_share: Length of a long crop, as a share of the window.
        short_share: Length of a short one.

    Raises:
        ValueError: There are fewer than two crops, no long one, or a share is not between 0 and 1.
    """

    def __init__(
        self,
        augment: Sequence[Transform | str | Mapping[str, Any]],
        *,
        long: int = 2,
        short: int = 4,
        long_share: float = 0.75,
        short_share: float = 0.25,
    ) -> None:
        if long < 1 or short < 0 or long + short < 2:
            raise ValueError(f"multi-crop needs a long crop and another one, got {long} long and {short} short")
        for name, share in (("long_share", long_share), ("short_share", short_share)):
            if not 0 < share <= 1:
                raise ValueError(f"{name} is a share of the window, above 0 and at most 1, got {share!r}")
        self.augment = Compose(list(augment))
        self.long, self.short, self.long_share, self.short_share = long, short, long_share, short_share

    def __call__(self, batch: Batch) -> Crops:
        """Crops, a pure function of the batch's seed, epoch and records."""
        shares = [self.long_share] * self.long + [self.short_share] * self.short
        with torch.no_grad(), torch.autocast(batch.signal.device.type, enabled=False):
            crops = tuple(self._crop(batch, share, number) for number, share in enumerate(shares))
        return Crops(crops[: self.long], crops[self.long :])

    def _crop(self, batch: Batch, share: float, number: int) -> Batch:
        """Each window's part of this length, from a place of its own, augmented."""
        samples = batch.signal.shape[2]
        length = round(share * samples)
        start = (batch.draws(2 * number).uniform() * (samples - length + 1)).long().clamp(max=samples - length)
        place = (start[:, None] + torch.arange(length, device=start.device))[:, None].expand(-1, batch.signal.shape[1], -1)
        signal = batch.signal.gather(2, place)
        # Targets and positions of samples are not cut along: they would be wrong, and nothing here looks at them.
        cut = replace(batch, signal=signal, step_targets=None, mask=None, annotations={})
        return self.augment(cut, generator=batch.draws(2 * number + 1))
