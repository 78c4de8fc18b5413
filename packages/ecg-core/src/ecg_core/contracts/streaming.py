"""Stream: a chain of transforms over a recording longer than memory, block by block, with the numbers of the whole.

Every step becomes a signal that can be asked for any stretch of its output, and asks the step before for what it needs: a
filter for as much more on either side as it looks, a transform of single time points for nothing more, and one that looks at
the whole recording for one pass over it beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ecg_core.contracts.arrays import as_float, namespace, widened
from ecg_core.contracts.compose import Compose
from ecg_core.contracts.ends import stretch_of_ends
from ecg_core.contracts.fusing import fusible_length
from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.contracts.spectral import (
    circle_length,
    constant_gain,
    exact_ratio,
    fast_length,
    multiplied,
    output_length,
)
from ecg_core.contracts.transform import Transform
from ecg_core.data.leads import canonical_leads
from ecg_core.errors import ConfigError, DataError

__all__ = ["Stream", "moved_positions", "stream"]

Read = Callable[[int, int], Any]


@dataclass(frozen=True)
class Stream:
    """A signal that is read in stretches; iterating gives it in consecutive blocks ``(leads, samples)``.

    Args:
        read: ``read(start, stop)`` gives ``(leads, stop - start)`` samples.
        fs: Hz.
        n_samples: Length of the whole.
        leads: Names of its leads.
        block: Samples of a block; the last may be shorter.
    """

    read: Read
    fs: float
    n_samples: int
    leads: tuple[str, ...]
    block: int

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, self.n_samples, self.block):
            yield self.read(start, min(start + self.block, self.n_samples))


def stream(
    chain: Transform, read: Read, *, fs: float, n_samples: int, leads: Sequence[str], block_seconds: float = 60.0
) -> Stream:
    """A recording through a chain, block by block, with the numbers that the chain gives for the whole of it.

    Memory depends on the length of a block, not on that of the recording.

    Args:
        chain: A transform, or a chain of them.
        read: ``read(start, stop)`` gives the samples ``start`` up to, not including, ``stop`` of every lead,
            ``(leads, stop - start)`` in mV. It is asked for stretches that overlap, and for both ends.
        fs: Hz.
        n_samples: Length of the recording.
        leads: Names of its leads.
        block_seconds: Length of the blocks that come out.

    Raises:
        ConfigError: A step is random, or looks at the whole recording in a way that blocks cannot serve.
        DataError: ``read`` gives something else than it was asked for.
    """
    if not 0 < block_seconds < math.inf:
        raise ValueError(f"block_seconds must be a positive length, got {block_seconds!r}")
    if n_samples < 1:
        raise DataError(f"expected a recording of at least one sample, got {n_samples}")
    chain._checked_fs(fs)
    names = canonical_leads(leads)
    source = Stream(_checked(read, len(names)), float(fs), n_samples, names, max(1, round(block_seconds * fs)))
    return _through(source, _flat(chain), block_seconds)


def moved_positions(chain: Transform, positions: np.ndarray, *, fs: float, n_samples: int) -> np.ndarray:
    """Where ``(n,)`` sample positions of a recording stand after a chain that :func:`stream` takes; -1 what fell off an end."""
    moved = positions[None]
    for step in _flat(chain):
        length = step.output_length(n_samples, fs)
        there = np.asarray(step.move(moved, fs=fs, samples=n_samples))
        moved = np.where((moved >= 0) & (there >= 0) & (there < length), there, -1)
        n_samples, fs = length, step.output_fs(fs)
    return moved[0]


def _flat(chain: Transform) -> tuple[Transform, ...]:
    if isinstance(chain, Compose):
        if chain.random_order or chain.p < 1:
            raise _refused(chain, "is random")
        return tuple(step for inner in chain.transforms for step in _flat(inner))
    return (chain,)


def _through(source: Stream, steps: tuple[Transform, ...], block_seconds: float) -> Stream:
    while steps:
        filters, _ = fusible_length(steps, source.fs)
        count = max(1, filters)
        run, steps = steps[:count], steps[count:]
        read = _filtered(source, run) if filters else _local(source, run[0])
        fs, names = source.fs, source.leads
        length = output_length(run, source.n_samples, fs)
        for step in run:
            fs, names = step.output_fs(fs), step.output_leads(names)
        source = Stream(read, fs, length, names, max(1, round(block_seconds * fs)))
    return source


def _local(source: Stream, step: Transform) -> Read:
    """A step that looks at most so far to either side, perhaps after it has looked through the whole once."""
    if isinstance(step, RandomTransform):
        raise _refused(step, "is random")
    reach = step.reach(source.fs)
    if reach is None:
        fitted = step.fitted(source)
        if fitted is None:
            raise _refused(step, "looks at the whole recording")
        return _local(source, fitted)
    if step.output_fs(source.fs) != source.fs or step.output_length(source.n_samples, source.fs) != source.n_samples:
        raise _refused(step, "changes the length")
    margin = math.ceil(reach * source.fs)

    def read(start: int, stop: int) -> Any:
        first, last = max(0, start - margin), min(source.n_samples, stop + margin)
        out: Any = step(source.read(first, last), fs=source.fs, leads=source.leads)
        return out[..., start - first : stop - first]

    return read


def _filtered(source: Stream, run: tuple[Transform, ...]) -> Read:
    """A run of filters, on stretches of the very circle that the whole recording would be put on."""
    fs, n = source.fs, source.n_samples
    circle, rate, grid, reach = circle_length(run, n, fs), fs, 1, 0.0
    for step in run:
        reach += step.reach(rate) or 0.0
        rate = step.output_fs(rate)
        grid = math.lcm(grid, exact_ratio(rate, fs).denominator)
    ratio = exact_ratio(rate, fs)
    margin = grid * math.ceil(reach * fs / grid)
    around, constant = _around(source, circle), constant_gain(run, fs)

    def read(start: int, stop: int) -> Any:
        # Every step has a sample at both ends of the stretch: they are multiples of what all of its rates share.
        first = grid * math.floor(Fraction(start) / ratio / grid) - margin
        last = grid * math.ceil(Fraction(stop) / ratio / grid) + margin
        length = fast_length(last - first, multiple=grid)
        if length >= circle:
            first, length = 0, circle
        stretch = around(first, first + length)
        offset, skip = stretch[..., :1], start - int(first * ratio)
        out = multiplied(stretch - offset, run, fs=fs)[..., skip : skip + stop - start]
        return out if constant == 0 else out + offset * constant

    return read


def _around(source: Stream, circle: int) -> Read:
    """``read`` on the whole recording's circle: past its ends, the extension, and then the other end."""
    n = source.n_samples

    def between(start: int, stop: int) -> Any:
        """These samples of the extension, which follow from both ends."""
        beyond = stretch_of_ends(source.fs, n, circle - n, start, stop)
        tail, head = source.read(n - beyond.memory, n), source.read(0, beyond.memory)
        first = head[..., :1]
        return beyond.like(head).follow(tail - first, head - first) + first

    def read(start: int, stop: int) -> Any:
        parts = []
        while start < stop:
            here = start % circle
            end = min(here + stop - start, n if here < n else circle)
            parts.append(source.read(here, end) if here < n else between(here - n, end - n))
            start += end - here
        return parts[0] if len(parts) == 1 else namespace(parts[0]).concat(parts, axis=-1)

    return read


def _checked(read: Read, leads: int) -> Read:
    def checked(start: int, stop: int) -> Any:
        x = read(start, stop)
        if tuple(x.shape) != (leads, stop - start):
            raise DataError(f"read({start}, {stop}) must give {(leads, stop - start)} samples, got shape {tuple(x.shape)}")
        return widened(as_float(x))

    return checked


def _refused(step: Transform, why: str) -> ConfigError:
    return ConfigError(f"{step!r} {why}, and cannot be done block by block; cut the recording into windows and apply it to those")
