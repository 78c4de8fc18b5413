"""TimeMap: what the transforms that bend the time axis share: signal, positions and masks follow one map.

A sample between two others is read from the straight line through them. That attenuates a tone of frequency f by at most
cos(pi f / fs): 3 % at 40 Hz and 500 Hz, 0.8 % at 20 Hz; a band-limited kernel costs ten times as much.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import add_product, asarray_like, namespace
from ecg_core.contracts.random_transform import RandomTransform
from ecg_preproc.augment.stretches import gathered

__all__ = ["TimeMap", "read_at"]


def read_at(x: Any, at: Any) -> Any:
    """``(windows, leads, samples)`` read at ``(windows, points)`` positions in samples, linearly.

    Where a position is whole, the (finite) sample there comes out bit for bit. The outermost samples reach half a sample
    further; beyond that there is 0.
    """
    return between(x, *neighbours(at, int(x.shape[-1]), x.dtype))


def neighbours(at: Any, samples: int, dtype: Any) -> tuple[Any, Any, Any]:
    """For ``(windows, points)`` positions the sample before each, int64, and the weights of that sample and of the next."""
    xp, last = namespace(at), samples - 1
    # Weights instead of a choice at the end, which would cost a quarter of the whole.
    inside = xp.astype(_inside(at, last), dtype)
    at = xp.clip(at, 0, last)  # from here on an array of our own
    floor = xp.clip(xp.floor(at), None, max(0, last - 1))
    at -= floor
    later = xp.astype(at, dtype)
    later *= inside
    inside -= later
    return xp.astype(floor, xp.int64), inside, later


def between(x: Any, left: Any, earlier: Any, later: Any) -> Any:
    """The weighted sums of two neighbours, ``(windows, leads, points)``; arguments as :func:`neighbours` gives them."""
    out = gathered(x, left)
    out *= earlier[:, None, :]
    if x.shape[-1] > 1:
        add_product(out, gathered(x[..., 1:], left), later[:, None, :])  # one index for both
    return out


def _inside(at: Any, last: int) -> Any:
    return at == namespace(at).clip(at, -0.5, last + 0.5)  # comparing twice takes twice as long


class TimeMap(RandomTransform):
    """A random transform that reads every output sample at another time of the input; the length stays."""

    @abstractmethod
    def source(self, at: Any, *, samples: int, **drawn: Any) -> Any:
        """``(windows, points)`` float64: the input position that stands at the output positions ``at`` (one row or more)."""

    def grid_source(self, grid: Any, *, samples: int, **drawn: Any) -> Any:
        """:meth:`source` of all samples ``grid`` in order, where there is a faster way to it."""
        return self.source(grid, samples=samples, **drawn)

    @abstractmethod
    def destination(self, at: Any, *, samples: int, **drawn: Any) -> Any:
        """The inverse of :meth:`source`."""

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return read_at(x, self._everywhere(x, drawn))

    def ready(self, drawn: dict[str, Any], *, like: Any, fs: float) -> dict[str, Any]:
        left, earlier, later = neighbours(self._everywhere(like, drawn), int(like.shape[-1]), like.dtype)
        return {"left": left, "earlier": earlier, "later": later}

    def rework(self, x: Any, *, fs: float, **ready: Any) -> Any:
        return between(x, **ready)

    def move(self, positions: Any, *, fs: float, samples: int, **drawn: Any) -> Any:
        xp = namespace(positions)
        there = self.destination(xp.astype(positions, xp.float64), samples=samples, **drawn)
        return xp.astype(xp.round(there), xp.int64)

    def move_mask(self, mask: Any, *, fs: float, **drawn: Any) -> Any:
        xp = namespace(mask)
        at, last = self._everywhere(mask, drawn), mask.shape[-1] - 1
        nearest = xp.clip(xp.astype(xp.round(at), xp.int64), 0, last)
        out = xp.take_along_axis(mask, nearest, axis=-1)
        return xp.where(_inside(at, last), out, xp.zeros_like(out))

    def _everywhere(self, x: Any, drawn: dict[str, Any]) -> Any:
        samples = int(x.shape[-1])
        grid = asarray_like(np.arange(float(samples))[None], x, dtype=namespace(x).float64)
        return self.grid_source(grid, samples=samples, **drawn)
