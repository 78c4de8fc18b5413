"""Wave words: every wave of every lead is named after the cluster that its shape falls into.

Choi et al., "ECGBERT: understanding hidden language of ECGs with self-supervised representation learning", 2023,
arXiv:2306.06340: 12 clusters of P waves, 19 of QRS complexes, 14 of T waves, 25 of what lies between.

Differs from the paper: a wave is its course at 32 points, in mV, and the logarithm of its duration, each in units of its own
spread, without a principal component analysis.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecg_core.layers.waves import KINDS, Waves

__all__ = ["CLUSTERS", "SPECIALS", "WaveWords", "word_names"]

CLUSTERS = (12, 19, 14, 25)
"""Clusters of each of :data:`~ecg_core.layers.waves.KINDS`."""
SPECIALS = ("[PAD]", "[CLS]", "[SEP]", "[MASK]")
_POINTS = 32


def word_names(clusters: tuple[int, ...] = CLUSTERS) -> tuple[str, ...]:
    """The words in the order of their numbers: ``[PAD]`` … ``[MASK]``, ``p0``, …, ``qrs0``, …, ``t0``, …, ``bg0`` and so on.

    >>> len(word_names()), word_names()[4], word_names()[-1]
    (74, 'p0', 'bg24')
    """
    return (*SPECIALS, *(f"{kind}{n}" for kind, count in zip(KINDS, clusters, strict=True) for n in range(count)))


class WaveWords(nn.Module):
    """Numbers of words.

    Its buffers hold the clusters and are part of every state dict; before :meth:`make` all waves of a kind are one word.

    Args:
        clusters: Clusters of P waves, QRS complexes, T waves and what lies between.
        fs: Hz.
    """

    centres: Tensor
    mean: Tensor
    scale: Tensor
    made: Tensor
    kind: Tensor

    def __init__(self, fs: float, clusters: tuple[int, ...] = CLUSTERS) -> None:
        super().__init__()
        if len(clusters) != len(KINDS) or min(clusters) < 1:
            raise ValueError(f"clusters are those of {', '.join(KINDS)}, one of each at least, got {tuple(clusters)}")
        self.fs, self.clusters = fs, tuple(clusters)
        self.names = word_names(self.clusters)
        values, total = _POINTS + 1, sum(clusters)
        self.register_buffer("centres", torch.zeros(total, values))
        self.register_buffer("mean", torch.zeros(len(KINDS), values))
        self.register_buffer("scale", torch.ones(len(KINDS), values))
        self.register_buffer("made", torch.zeros((), dtype=torch.bool))
        of = [number for number, count in enumerate(clusters) for _ in range(count)]
        self.register_buffer("kind", torch.tensor(of), persistent=False)

    @property
    def count(self) -> int:
        """Words, special ones included."""
        return len(self.names)

    @torch.no_grad()
    def shapes(self, x: Tensor, waves: Waves) -> Tensor:
        """What is clustered, ``(batch, leads, segments, 33)``: the course of every wave at 32 points, and its duration."""
        point = (torch.arange(_POINTS, device=x.device, dtype=x.dtype) + 0.5) / _POINTS
        place = waves.start[..., None] + point * waves.length[..., None] - 0.5  # (batch, segments, points)
        last = torch.ones_like(place) * (x.shape[-1] - 1)
        place = place.clamp(min=0).minimum(last)
        left = place.floor()
        share = (place - left)[:, None]
        values = [self._values(x, each.long()) for each in (left, (left + 1).minimum(last))]
        course = values[0] * (1 - share) + values[1] * share
        seconds = (waves.length.clamp(min=1).to(x.dtype) / self.fs).log()[:, None, :, None]
        return torch.cat([course, seconds.expand(-1, x.shape[1], -1, -1)], dim=-1)

    @torch.no_grad()
    def forward(self, x: Tensor, waves: Waves) -> Tensor:
        """``(batch, leads, segments)`` int64: the word of every wave; 0, ``[PAD]``, where there is none."""
        shapes = self.shapes(x.nan_to_num(0.0, 0.0, 0.0), waves).to(self.centres.dtype)
        kind = waves.kind[:, None].expand(shapes.shape[:3])
        standard = (shapes - self.mean[kind]) / self.scale[kind]
        distance = self.centres.square().sum(dim=1) - 2 * standard @ self.centres.T
        other = kind[..., None] != self.kind
        number = distance.masked_fill(other, torch.inf).argmin(dim=-1) + len(SPECIALS)
        return torch.where(waves.real[:, None], number, torch.zeros_like(number))

    @torch.no_grad()
    def make(self, kind: int, centres: Tensor, mean: Tensor, scale: Tensor) -> None:
        """Take these clusters of a kind.

        Args:
            kind: A number of ``KINDS``.
            centres: ``(clusters, 33)`` in units of the spread; fewer than there are words leave the last words unused.
            mean: ``(33,)``.
            scale: ``(33,)``.
        """
        mine = self.centres[self.kind == kind]
        mine.copy_(torch.cat([centres, centres[-1:].expand(len(mine) - len(centres), -1)]))
        self.centres[self.kind == kind] = mine
        self.mean[kind], self.scale[kind] = mean, scale
        self.made.fill_(True)

    @staticmethod
    def _values(x: Tensor, place: Tensor) -> Tensor:
        """``(batch, leads, segments, points)`` values at ``(batch, segments, points)`` places."""
        index = place.flatten(1)[:, None].expand(-1, x.shape[1], -1)
        return x.gather(2, index).unflatten(2, place.shape[1:])
