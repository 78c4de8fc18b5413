"""What follows the ends of a signal: what is to be expected there, as far as the signal itself says.

A filter has to know what comes past the end of a signal, a high-pass above all where the baseline goes. A mirror image turns its
slope round. So this takes the linear prediction (Kolmogorov 1941; Wiener 1949) of two stationary processes, of which the signal
is the sum: a baseline, and the heart, whose value at the end is forgotten within a fraction of a QRS complex. The baseline has as
much power in every octave, its density 20 dB above the heart's at the frequency of a slow breath, and none above 0.5 Hz, the
edge at which filters for monitoring part it from the heart (Kligfield et al. 2007): there it falls as such a filter does, a
Butterworth of third order run forwards and backwards. The model is the same for every filter, and was fitted to no recording.

All of it is linear, the signal goes on without a jump, and a constant goes on as that constant. What follows either end is
cross-faded over the extension, which closes the circle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace

__all__ = ["Ends", "ends", "stretch_of_ends"]

_EDGE = 0.5  # Hz, between baseline and heart
_BREATH = 0.15  # Hz
_STRONGEST = 100.0  # density of the baseline over that of the heart at a breath's frequency: an amplitude ten times as large
_STEEPNESS = 12  # how it falls with frequency at the edge: the square of (1 - G) / G, of third order
_HIGHEST = 2 * _EDGE  # Hz, above which the baseline has 1e-5 of what it has below
_SEEN = 2 / _EDGE  # seconds from which the baseline is predicted: two periods at its edge
_BLOCK = 1 / (16 * _EDGE)  # seconds of which a mean is looked at: in them the heart is white noise, the baseline a line
_HEART = 0.03  # seconds in which the heart forgets: a third of a QRS complex
_HORIZON = _SEEN  # seconds past the end after which the baseline is held: as far ahead as back
_SMALLEST = 0.01  # of the largest part of the prediction; smaller ones are left out


@dataclass(frozen=True)
class Ends:
    """How a signal goes on to a circle: a linear map from its ends, minus the first value, to the extension.

    Args:
        tail: ``(parts, memory)`` what is looked at in the last samples.
        head: The same of the first samples.
        shapes: ``(2 · parts + 1, samples)`` what follows, in the extension or a stretch of it: from the parts of the tail, from
            those of the head, and from the last value.
    """

    tail: Any
    head: Any
    shapes: Any

    @property
    def memory(self) -> int:
        """Samples at either end that the prediction looks at."""
        return int(self.tail.shape[-1])

    def like(self, x: Any) -> Ends:
        """As the framework, number type and device of ``x``."""
        return Ends(*(asarray_like(a, x) for a in (self.tail, self.head, self.shapes)))

    def follow(self, tail: Any, head: Any) -> Any:
        """The extension ``(..., samples)`` from the last and the first ``memory`` samples, minus the signal's first value."""
        parts = [tail @ self.tail.T, head @ self.head.T, tail[..., -1:]]
        return namespace(tail).concat(parts, axis=-1) @ self.shapes


@lru_cache(maxsize=64)
def ends(fs: float, n_samples: int, extra: int, *, single: bool = False) -> Ends:
    """How a signal goes on to a circle.

    Args:
        fs: Hz.
        n_samples: Of the signal.
        extra: Samples of the extension.
        single: In float32, for signals that are; to round for every recording costs as much as to extend it.
    """
    found = stretch_of_ends(fs, n_samples, extra, 0, extra)
    return found.like(np.empty(0, dtype=np.float32)) if single else found


def stretch_of_ends(fs: float, n_samples: int, extra: int, start: int, stop: int) -> Ends:
    """The same for samples ``start`` up to ``stop`` of the extension, which may be a long one."""
    weights, baseline = _baseline(fs, min(n_samples, round(_SEEN * fs)))  # the same for all longer ones
    after = np.arange(start + 1, stop + 1)
    before = extra + 1 - after
    fade = 0.5 * (1 + np.cos(np.pi * after / (extra + 1)))
    shapes = [_shape(baseline, after, fs) * fade, _shape(baseline, before, fs) * (1 - fade)]
    # The first value is zero, and needs no row.
    shapes.append((_forgotten(after, fs) * fade)[None])
    return Ends(weights, np.ascontiguousarray(weights[:, ::-1]), np.concatenate(shapes))


def _forgotten(samples: np.ndarray, fs: float) -> np.ndarray:
    """What is left of the heart's value at the end."""
    return np.exp(-samples / (fs * _HEART))


def _shape(baseline: np.ndarray, samples: np.ndarray, fs: float) -> np.ndarray:
    """The baseline so far past the end, less what is left of it in the value at the end."""
    return baseline[:, np.minimum(samples, baseline.shape[-1] - 1)] - baseline[:, :1] * _forgotten(samples, fs)


@lru_cache(maxsize=64)
def _baseline(fs: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The baseline at the end and past it: ``(parts, memory)`` weights and ``(parts, 1 + horizon)`` shapes.

    Its offset is unknown; the first part is the estimate of that.
    """
    block, horizon = min(max(1, int(_BLOCK * fs)), n), max(1, round(_HORIZON * fs))
    blocks = n // block
    seen = -(np.arange(blocks)[::-1] * block + (block - 1) / 2) / fs
    places = np.unique(np.append(np.arange(0, horizon, max(1, block // 8)), horizon))
    ahead = places / fs
    # A sum over frequencies comes round in time: as many as it takes for nothing to do so.
    top = min(_HIGHEST, fs / 2)
    count = max(64, int(np.ceil(2 * top * (ahead[-1] - seen[0]))))
    frequencies = (np.arange(count) + 0.5) * (top / count)
    density = np.minimum((_EDGE / frequencies) ** _STEEPNESS, _STRONGEST * _BREATH / frequencies)
    amplitude = np.sqrt(2 * density * (top / count))

    def waves(seconds: np.ndarray) -> np.ndarray:
        angle = 2 * np.pi * np.outer(seconds, frequencies)
        return np.concatenate([np.cos(angle) * amplitude, np.sin(angle) * amplitude], axis=1)

    there = waves(seen)
    precision = np.linalg.inv(there @ there.T + np.eye(blocks) * (fs / block))
    mean = precision.sum(axis=0) / precision.sum()
    precision -= np.outer(precision.sum(axis=1), mean)
    shapes, size, means = np.linalg.svd(waves(ahead) @ there.T @ precision, full_matrices=False)
    parts = int((size > _SMALLEST * max(size[0], 1e-6)).sum())
    between = [np.interp(np.arange(horizon + 1), places, shapes[:, i] * size[i]) for i in range(parts)]
    weights = np.concatenate([mean[None], means[:parts]]) / block
    return np.repeat(weights, block, axis=1), np.stack([np.ones(horizon + 1), *between])
