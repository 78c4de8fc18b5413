"""Codes of what lies nearest: a codebook of k-means, made from the first batch or of as many as there are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedBuffer

from ecg_ssl.clustering import Clustering, kmeans, nearest
from ecg_ssl.gather import gather_rows

__all__ = ["ClusterCodes"]


class ClusterCodes(LazyModuleMixin, nn.Module):
    """The number of the nearest centre of every point, each value in units of its own spread.

    Its buffers are part of a state dict like any other. Before :meth:`fit`, or a state dict, they are made from the first
    points it is given, those of all processes together. It draws from a seed of its own: torch's global generator is left alone.

    Args:
        clusters: Codes.
        seed: Of the first centres.

    Shape:
        ``(points, values)`` to ``(points,)`` int64
    """

    mean: Tensor
    scale: Tensor
    centres: Tensor
    counts: Tensor

    def __init__(self, clusters: int, *, seed: int = 0) -> None:
        super().__init__()
        self.clusters, self.seed = clusters, seed
        for name in ("mean", "scale", "centres", "counts"):
            self.register_buffer(name, UninitializedBuffer())

    @property
    def is_made(self) -> bool:
        """Whether there are codes."""
        return not isinstance(self.centres, UninitializedBuffer)

    @property
    def clustering(self) -> Clustering:
        """The clusters in units of the points, and how many of the points they were made from they hold."""
        return Clustering(self.centres * self.scale + self.mean, self.counts.long(), float("nan"))

    @torch.no_grad()
    def fit(self, points: Tensor) -> Clustering:
        """Make the codes anew.

        Args:
            points: ``(points, values)``, with those of all processes as many as there are codes at least.

        Returns:
            Clusters of the standardised points, with their use and inertia.
        """
        given = gather_rows(points.detach()).cpu().double()
        mean, scale = given.mean(dim=0), given.std(dim=0, correction=0)
        scale = torch.where(scale > 1e-9, scale, 1.0)  # what never changes tells nothing
        found = kmeans((given - mean) / scale, self.clusters, seed=self.seed)
        for name, value in (("mean", mean), ("scale", scale), ("centres", found.centres), ("counts", found.counts)):
            buffer = getattr(self, name)
            if isinstance(buffer, UninitializedBuffer):
                buffer.materialize(value.shape, device=points.device, dtype=torch.float32)
            elif buffer.shape != value.shape:
                raise ValueError(
                    f"codes of {tuple(buffer.shape)} cannot be made anew of {tuple(value.shape)}; build the method anew"
                )
            buffer.copy_(value)
        return found

    def initialize_parameters(self, points: Tensor) -> None:
        """Make the codes from the first points, unless a state dict has brought them."""
        if self.has_uninitialized_params():
            self.fit(points)

    @torch.no_grad()
    def forward(self, points: Tensor) -> Tensor:
        """The codes of points, in float32."""
        return nearest((points.float() - self.mean) / self.scale, self.centres)[0]
