"""Matching: which detection belongs to which event, as many pairs as there can be within a tolerance."""

from __future__ import annotations

import numpy as np

from ecg_core.errors import DataError

__all__ = ["matched"]


def matched(truth: np.ndarray, found: np.ndarray, *, tolerance: float) -> list[tuple[int, int]]:
    """Pairs of places ``(in truth, in found)``; each event and each detection stands in one pair at most, in order of time.

    As many pairs as possible are made, and among those the ones that are closest together in sum.

    Args:
        truth: ``(events,)``, sorted.
        found: ``(detections,)``, sorted, in the same unit.
        tolerance: Largest distance of a pair, itself included.

    Raises:
        DataError: Times are not sorted.

    Example:
        >>> matched(np.array([100.0, 200.0]), np.array([90.0, 103.0, 260.0]), tolerance=20)
        [(0, 1)]
    """
    if (np.diff(truth) < 0).any() or (np.diff(found) < 0).any():
        raise DataError("events and detections are matched in order of time; sort them first")
    pairs: list[tuple[int, int]] = []
    for events, detections in _groups(truth, found, tolerance):
        pairs += _best(truth, found, events, detections, tolerance)
    return pairs


def _groups(truth: np.ndarray, found: np.ndarray, tolerance: float) -> list[tuple[range, range]]:
    """Stretches without neighbours within reach: they do not influence each other."""
    times = np.concatenate([truth, found])
    order = np.argsort(times, kind="stable")
    cuts = np.flatnonzero(np.diff(times[order]) > tolerance) + 1
    groups, events, detections = [], 0, 0
    for part in np.split(order, cuts):
        here = int((part < len(truth)).sum())
        groups.append((range(events, events + here), range(detections, detections + len(part) - here)))
        events, detections = events + here, detections + len(part) - here
    return [group for group in groups if len(group[0]) and len(group[1])]


def _best(truth: np.ndarray, found: np.ndarray, events: range, detections: range, tolerance: float) -> list[tuple[int, int]]:
    """By dynamic programming over prefixes: (pairs made, minus their distance) is greatest."""
    rows, columns = len(events), len(detections)
    best = [[(0, 0.0)] * (columns + 1) for _ in range(rows + 1)]
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            options = [best[i - 1][j], best[i][j - 1]]
            distance = abs(float(truth[events[i - 1]] - found[detections[j - 1]]))
            if distance <= tolerance:
                made, cost = best[i - 1][j - 1]
                options.append((made + 1, cost - distance))
            best[i][j] = max(options)
    pairs, i, j = [], rows, columns
    while i and j:
        if best[i][j] == best[i - 1][j]:
            i -= 1
        elif best[i][j] == best[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((events[i], detections[j]))
    return pairs[::-1]
