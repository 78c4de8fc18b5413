"""Stretches: what probabilities of every sample say in a few rows: this wave, or beat, or rhythm, from here to there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ecg_core.data.step_target import NONE, StepTarget

__all__ = ["SHORTEST", "Stretch", "positions_of", "stretches"]

SHORTEST = 0.02  # seconds; no wave is shorter, and no pause within one longer


@dataclass(frozen=True)
class Stretch:
    """Consecutive samples of one class.

    Args:
        label: Its name.
        start: First sample.
        stop: The sample after the last.
        probability: Of the class, mean over the samples.
        centre: Mean of the samples' positions, weighted with the probability.
    """

    label: str
    start: int
    stop: int
    probability: float
    centre: float


def stretches(pieces: Iterable[tuple[int, np.ndarray]], classes: Sequence[str], *, fs: float) -> list[Stretch]:
    """The stretches of a recording, without those of ``"none"``.

    Two of the same class with less than 20 ms of ``"none"`` between them are one; what is shorter than that is nothing.

    Args:
        pieces: Consecutive ones: first sample, and probabilities ``(classes, samples)``. Each sample is of its likeliest class.
        classes: Their names.
        fs: Hz.
    """
    found: list[_Sum] = []
    for start, probabilities in pieces:
        for part in _runs(start, probabilities):
            if found and found[-1].number == part.number and found[-1].stop == part.start:
                found[-1] = found[-1] + part
            else:
                found.append(part)
    shortest, background = SHORTEST * fs, list(classes).index(NONE) if NONE in classes else -1
    kept: list[_Sum] = []
    for part in found:
        if part.number == background:
            continue
        if kept and kept[-1].number == part.number and 0 < part.start - kept[-1].stop < shortest:
            kept[-1] = kept[-1] + part
        else:
            kept.append(part)
    return [part.stretch(classes) for part in kept if part.stop - part.start >= shortest or background < 0]


def positions_of(found: Iterable[Stretch], target: StepTarget | None) -> dict[str, np.ndarray]:
    """Stretches as annotations: positions by name, in samples, sorted.

    A wave has its begin, its end and, in the middle of its probability, its peak; a beat is where its probability has its middle.
    Of a target that is not known, ``event/CLASS`` stands where a stretch begins.
    """
    places: dict[str, list[int]] = {}
    for one in found:
        for name, place in _named(one, target):
            places.setdefault(name, []).append(place)
    return {name: np.sort(np.array(places[name], dtype=np.int64)) for name in sorted(places)}


def _named(one: Stretch, target: StepTarget | None) -> list[tuple[str, int]]:
    kind = "" if target is None else target.kind
    middle = round(one.centre)
    if target is not None and kind == "waves":
        wave = one.label.lower()
        parts = (("on", one.start), ("peak", middle), ("off", one.stop - 1))
        return [(f"wave/{wave}_{part}/{target.lead}", place) for part, place in parts]
    if kind == "r_peaks":
        return [("r_peaks", middle)]
    if kind == "beats":
        return [("r_peaks", middle), (f"beat/{one.label}", middle)]
    return [(f"{'rhythm' if kind == 'rhythms' else 'event'}/{one.label}", one.start)]


@dataclass(frozen=True)
class _Sum:
    number: int
    start: int
    stop: int
    weight: float  # sum of probabilities
    moment: float  # sum of probabilities times positions
    samples: int

    def __add__(self, other: _Sum) -> _Sum:
        sums = self.weight + other.weight, self.moment + other.moment, self.samples + other.samples
        return _Sum(self.number, self.start, other.stop, *sums)

    def stretch(self, classes: Sequence[str]) -> Stretch:
        centre = self.moment / self.weight if self.weight else (self.start + self.stop - 1) / 2
        return Stretch(classes[self.number], self.start, self.stop, self.weight / self.samples, centre)


def _runs(start: int, probabilities: np.ndarray) -> Iterable[_Sum]:
    numbers = probabilities.argmax(axis=0)
    if not len(numbers):
        return
    weights = probabilities.max(axis=0).astype(np.float64)
    firsts = np.flatnonzero(np.diff(numbers, prepend=-1))
    ends = np.append(firsts[1:], len(numbers))
    weight = np.add.reduceat(weights, firsts)
    moment = np.add.reduceat(weights * (start + np.arange(len(numbers))), firsts)
    for first, end, w, m in zip(firsts.tolist(), ends.tolist(), weight.tolist(), moment.tolist(), strict=True):
        yield _Sum(int(numbers[first]), start + first, start + end, w, m, end - first)
