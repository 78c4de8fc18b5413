"""Stitching: what a model of samples says of a recording of any length, piece by piece, in the memory of one piece.

A model whose samples look no further than so far gives, in pieces that overlap by as much, the very numbers that it gives for
the whole recording at once. One that looks at all it is given (attention, recurrence, squeeze-and-excitation) is asked about
windows of the length it was trained on, half overlapping, and of each window its middle counts; that is its answer, however the
recording is read. A file with its pipeline is asked likewise, and answers at another rate than that of the recording.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ecg_core.contracts.task import Task
from ecg_core.data.batch import Batch
from ecg_core.run.card import SignalContract
from ecg_core.run.inference.exported import Exported

__all__ = ["Stitcher", "reach_of"]

_FINEST = 1000  # answers that a whole number of samples is looked for in
_PIECE = 1 << 14  # samples of a piece at least: a minute at 250 Hz


class _Scorer(Protocol):
    def predict(self, batch: Batch) -> Tensor:
        """Probabilities, ``(batch, classes, samples)``."""


class Stitcher:
    """Probabilities of every sample of a recording.

    Args:
        scorer: A task of samples, or an exported one.
        signal: What it expects.

    Attributes:
        fs: Of the answers, Hz.
    """

    def __init__(self, scorer: _Scorer, signal: SignalContract) -> None:
        self.scorer, self.signal = scorer, signal
        # The stride of an exported model is not known, so its pieces would not begin where the whole has a step.
        self.stride = math.lcm(*(s.stride for s in scorer.backbone.stages)) if isinstance(scorer, Task) else 1
        self.reach = reach_of(scorer, signal) if isinstance(scorer, Task) else None
        self.fs = scorer.answers_fs if isinstance(scorer, Exported) else signal.fs
        # So many samples of the signal are a whole number of answers; windows begin there, so that none is moved.
        self.grid = Fraction(signal.fs / self.fs).limit_denominator(_FINEST).numerator

    def pieces(self, n_samples: int) -> list[tuple[int, int, int, int]]:
        """``(begin, start, stop, end)`` of each piece: read from ``begin`` to ``end``, count from ``start`` to ``stop``."""
        window = self.signal.samples
        if self.reach is None:
            hop, margin = max(1, window // 2), window // 4
            hop = hop - hop % self.grid if hop > self.grid else hop
            begins = [*range(0, max(1, n_samples - window), hop), max(0, n_samples - window)]
            begins = sorted(set(begins))
            edges = [0, *(begin + margin for begin in begins[1:]), n_samples]
            return [(b, edges[i], edges[i + 1], min(b + window, n_samples)) for i, b in enumerate(begins)]
        margin = self.stride * math.ceil(self.reach / self.stride)
        size = self.stride * math.ceil(max(_PIECE, window, 2 * margin) / self.stride)
        edges = [*range(0, max(1, n_samples - size // 2), size), n_samples]
        return [(max(0, start - margin), start, stop, min(n_samples, stop + margin)) for start, stop in pairwise(edges)]

    @torch.no_grad()
    def __call__(self, n_samples: int, read: Callable[[int, int], np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
        """Consecutive pieces: first answer, and ``(classes, answers)`` probabilities, at :attr:`fs`."""
        for begin, start, stop, end in self.pieces(n_samples):
            x = np.ascontiguousarray(read(begin, end))[None]
            found = self.scorer.predict(Batch(x, fs=self.signal.fs, leads=self.signal.leads).to("cpu"))[0]
            begin, start, stop = (round(place * self.fs / self.signal.fs) for place in (begin, start, stop))
            yield start, np.asarray(found[:, start - begin : stop - begin].numpy())


@torch.no_grad()
def reach_of(scorer: _Scorer, signal: SignalContract, *, tries: int = 3) -> int | None:
    """How far, in samples, the answer for a sample looks to either side; ``None`` if it may be as far as there is signal.

    Measured: of a noise, all that comes after (or before) a sample is replaced, and the first (last) answer that changes tells.
    """
    samples = max(4 * signal.samples, _PIECE)
    random = torch.Generator().manual_seed(0)
    furthest = 0
    for number in range(tries):
        at = samples // 2 + number * max(1, signal.samples // 7)
        one, two = torch.randn(2, 1, len(signal.leads), samples, generator=random)
        after, before = torch.cat([one[..., :at], two[..., at:]], -1), torch.cat([two[..., :at], one[..., at:]], -1)
        answers = [scorer.predict(Batch(x, fs=signal.fs, leads=signal.leads))[0] for x in (one, after, before)]
        same = answers[0]
        changed_before = torch.nonzero((answers[1] != same).any(dim=0))
        changed_after = torch.nonzero((answers[2] != same).any(dim=0))
        left = at - int(changed_before.min()) if len(changed_before) else 0
        right = int(changed_after.max()) - at + 1 if len(changed_after) else 0
        furthest = max(furthest, left, right)
    return furthest if furthest < samples // 4 else None
