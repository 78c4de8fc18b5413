"""FusedRun: neighbours of a chain done in one pass over the signal, the filters among them in one FFT pair."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ecg_core.contracts.random_transform import RandomTransform
from ecg_core.contracts.spectral import output_length, through_circle
from ecg_core.contracts.transform import Transform, _moved

__all__ = ["fused_run", "fusible_length"]


class _FusedRun(Transform):
    """Linear, time-invariant steps on one extended circle, and what follows them on the same block of windows.

    Args:
        filters: Steps that state a frequency response and a reach.
        followers: Deterministic steps that need nothing but the samples, such as a z-score.
        together: One FFT pair for all filters; otherwise each its own, on the same circle, which gives the same numbers.
    """

    def __init__(self, filters: Sequence[Transform], followers: Sequence[Transform] = (), *, together: bool = True) -> None:
        self.filters = tuple(filters)
        self.followers = tuple(followers)
        self.together = together

    @property
    def steps(self) -> tuple[Transform, ...]:
        """Everything it does, in order."""
        return (*self.filters, *self.followers)

    def output_fs(self, fs: float) -> float:
        for step in self.steps:
            fs = step.output_fs(fs)
        return fs

    def output_length(self, n_samples: int, fs: float) -> int:
        return output_length(self.steps, n_samples, fs)

    def output_leads(self, leads: tuple[str, ...]) -> tuple[str, ...]:
        for step in self.steps:
            leads = step.output_leads(leads)
        return leads

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        groups = (self.filters,) if self.together else tuple((step,) for step in self.filters)

        def followed(block: Any) -> Any:
            rate = after
            for step in self.followers:
                block, rate = step.apply(block, fs=rate), step.output_fs(rate)
            return block

        after = fs
        for step in self.filters:
            after = step.output_fs(after)
        return through_circle(x, self.filters, groups, fs=fs, then=followed)

    def move(self, positions: Any, *, fs: float, samples: int, **drawn: Any) -> Any:
        for step in self.steps:
            length = step.output_length(samples, fs)
            positions = _moved(positions, step.move(positions, fs=fs, samples=samples), length)
            samples, fs = length, step.output_fs(fs)
        return positions

    def move_mask(self, mask: Any, *, fs: float, **drawn: Any) -> Any:
        for step in self.steps:
            mask, fs = step.move_mask(mask, fs=fs), step.output_fs(fs)
        return mask


@lru_cache(maxsize=64)  # a chain asks for the same run at every recording
def fused_run(filters: tuple[Transform, ...], followers: tuple[Transform, ...], *, together: bool) -> _FusedRun:
    """The first transforms of a chain, as many as :func:`fusible_length` says, in one pass."""
    return _FusedRun(filters, followers, together=together)


@lru_cache(maxsize=64)
def fusible_length(transforms: tuple[Transform, ...], fs: float) -> tuple[int, int]:
    """How many of the first transforms are filters that share a circle, and how many after them can go along."""
    filters, farthest = 0, 0.0
    for step in transforms:
        reach = step.reach(fs)
        if reach is None or not _needs_only_samples(step) or step.frequency_response(np.ones(1), fs) is None:
            break
        filters, farthest, fs = filters + 1, max(farthest, reach), step.output_fs(fs)
    if not farthest:  # nothing that an FFT pair would be needed for
        return 0, 0
    followers = 0
    for step in transforms[filters:]:
        if not _needs_only_samples(step):
            break
        followers += 1
    return filters, followers


def _needs_only_samples(step: Transform) -> bool:
    """Whether ``apply`` is all there is to it: no draws, no lead names or positions, no road of its own around ``apply``."""
    kind = type(step)
    own = (kind.context, kind._drawn, kind._run, kind.__call__, kind._on_batch)
    base = (Transform.context, Transform._drawn, Transform._run, Transform.__call__, Transform._on_batch)
    return not isinstance(step, RandomTransform) and own == base
