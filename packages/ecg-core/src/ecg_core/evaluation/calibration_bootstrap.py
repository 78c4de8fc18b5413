"""Bootstrap of calibration: ECE and Brier score of every class under the draws of patients of :mod:`.bootstrap`.

Bins of equal width hold the same records in every draw, so their gaps are one matrix product. Bins of equal mass are made anew
of each draw and may end between two copies of one record. Of records in order of their scores, sums over stretches are enough to
know in which one a bin ends; only there it is counted record by record.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecg_core.evaluation.bootstrap import multiplicities
from ecg_core.evaluation.ranking import AnyFloats, Floats, Indices

__all__ = ["CalibrationDraws", "calibration_draws"]

_STRETCH = 64  # records at least


class CalibrationDraws(NamedTuple):
    """Each ``(repeats, classes)``."""

    ece_width: Floats
    ece_mass: Floats
    brier: Floats


def calibration_draws(
    targets: npt.NDArray[np.bool_], scores: Floats, codes: Indices, *, bins: int, repeats: int, seed: int
) -> CalibrationDraws:
    """Both calibration errors and the Brier score under ``repeats`` draws.

    Args:
        targets: ``(records, classes)``.
        scores: ``(records, classes)`` probabilities.
        codes: ``(records,)`` patient numbers from :func:`ecg_core.evaluation.bootstrap.clusters`.
        bins: How many.
        repeats: How many draws.
        seed: The same seed gives the same draws as everywhere.
    """
    gaps = scores - targets
    orders = [_Order.of(scores[:, c], gaps[:, c]) for c in range(scores.shape[1])]
    in_bins = [_in_bins(scores[:, c], gaps[:, c], bins) for c in range(scores.shape[1])]
    parts = []
    for weights in multiplicities(codes, repeats=repeats, seed=seed):
        times = np.ascontiguousarray(weights.T, dtype=np.float64)  # (some repeats, records)
        total = times.sum(axis=1, keepdims=True)
        width = [np.abs(times @ columns).sum(axis=1) for columns in in_bins]
        ends = np.ceil(np.arange(1, bins) * total / bins)  # of all bins but the last, in records drawn
        every = np.pad(weights, ((0, 1), (0, 0)))  # and a record that nobody has
        mass = [np.abs(np.diff(order.lacking(every, ends), axis=1, prepend=0.0)).sum(axis=1) for order in orders]
        parts.append([each / total for each in (np.stack(width, axis=1), np.stack(mass, axis=1), times @ gaps**2)])
    return CalibrationDraws(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def _in_bins(scores: Floats, gaps: Floats, bins: int) -> Floats:
    """``(records, bins)``: the gap of each record in the column of its bin of equal width."""
    found = np.zeros((len(scores), bins))
    found[np.arange(len(scores)), np.clip((scores * bins).astype(np.intp), 0, bins - 1)] = gaps
    return found


class _Order(NamedTuple):
    """Records in order of their scores, cut into stretches; at the end, there are some that nobody has.

    Args:
        records: ``(stretches, length)`` numbers of records.
        gaps: ``(stretches, length)`` score minus outcome.
    """

    records: Indices
    gaps: Floats

    @classmethod
    def of(cls, scores: Floats, gaps: Floats) -> _Order:
        length = max(_STRETCH, -(-len(scores) // _STRETCH))
        spare = -len(scores) % length
        order = scores.argsort(kind="stable")
        records = np.pad(order, (0, spare), constant_values=len(scores))
        return cls(records.reshape(-1, length), np.pad(gaps[order], (0, spare)).reshape(-1, length))

    def lacking(self, weights: AnyFloats, ends: Floats) -> Floats:
        """Sum of the gaps of the first so many records drawn, and of all: ``(repeats, ends + 1)``.

        Args:
            weights: ``(records + 1, repeats)`` how often each record was drawn, the last one never.
            ends: ``(repeats, ends)`` how many.
        """
        repeats = weights.shape[1]
        drawn = weights[self.records.ravel()].reshape(*self.records.shape, repeats)
        counts = _running_total(drawn.sum(axis=1, dtype=np.float64))  # (stretches + 1, repeats)
        sums = _running_total((self.gaps[:, np.newaxis] @ drawn.astype(np.float64))[:, 0])
        stretch = (counts[1:, :, np.newaxis] < ends).sum(axis=0)  # (repeats, ends): the one in which it ends
        draw = np.arange(repeats)[:, np.newaxis]
        inside = drawn.transpose(0, 2, 1)[stretch, draw].astype(np.float64)  # (repeats, ends, length)
        left = (ends - counts[stretch, draw])[:, :, np.newaxis] - (inside.cumsum(axis=2) - inside)
        found = sums[stretch, draw] + (np.clip(left, 0.0, inside) * self.gaps[stretch]).sum(axis=2)
        return np.concatenate([found, sums[-1][:, np.newaxis]], axis=1)


def _running_total(values: Floats) -> Floats:
    """``(stretches, repeats)`` → ``(stretches + 1, repeats)``; row k is the total of the first k rows."""
    return np.pad(values.cumsum(axis=0), ((1, 0), (0, 0)))
