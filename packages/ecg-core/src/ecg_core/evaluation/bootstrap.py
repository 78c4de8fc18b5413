"""Patient-wise bootstrap: how far AUROC and AUPRC would move with other patients.

Patients, not records, are drawn with replacement (Field & Welsh 2007): two recordings of one heart are not two
independent observations, and resampling records would make the intervals too narrow. A patient drawn k times brings each of
his records k times, which is a weight of k: the scores are sorted once per class and every repeat is a column of weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecg_core.errors import DataError
from ecg_core.evaluation.metrics import check_scores
from ecg_core.evaluation.ranking import AnyFloats, Floats, Indices, Ranking

__all__ = ["Interval", "Resamples", "bootstrap", "clusters", "interval", "micro_bootstrap", "multiplicities"]

# Cumulative sums run down the records: a block of weights should fit the cache, so few columns, and never above this size.
_BLOCK_REPEATS = 64
_BLOCK_BYTES = 32 * 2**20


class Resamples(NamedTuple):
    """AUROC and AUPRC of every class in every repeat, each ``(repeats, classes)``; NaN where a class was not drawn."""

    auroc: Floats
    auprc: Floats


class Interval(NamedTuple):
    """A percentile interval, and in how many repeats the value existed."""

    low: float
    high: float
    usable: int


def bootstrap(
    targets: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    patients: Sequence[object] | npt.NDArray[np.generic] | None = None,
    repeats: int = 1000,
    seed: int = 0,
) -> Resamples:
    """AUROC and AUPRC under ``repeats`` draws of patients.

    Args:
        targets: ``(records, classes)`` of 0 and 1.
        scores: ``(records, classes)``, finite.
        patients: ``(records,)`` whose record it is. Without it, and for single entries that are ``None`` or NaN, a
            record counts as a patient of its own.
        repeats: How many draws.
        seed: The same seed gives the same draws, on any machine.

    Raises:
        DataError: Arguments that do not fit.
    """
    truth, guess = check_scores(targets, scores)
    codes = clusters(patients, len(truth))
    rankings = [Ranking.of(truth[:, c], guess[:, c]) for c in range(truth.shape[1])]
    roc, pr = np.empty((repeats, len(rankings))), np.empty((repeats, len(rankings)))
    start = 0
    for weights in multiplicities(codes, repeats=repeats, seed=seed):
        stop = start + weights.shape[1]
        for column, ranking in enumerate(rankings):
            roc[start:stop, column], pr[start:stop, column] = ranking.areas(weights)
        start = stop
    return Resamples(roc, pr)


def micro_bootstrap(
    targets: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    patients: Sequence[object] | npt.NDArray[np.generic] | None = None,
    repeats: int = 1000,
    seed: int = 0,
) -> Resamples:
    """AUROC and AUPRC of all decisions taken together, ``(repeats, 1)`` each, under the draws of :func:`bootstrap`.

    Every record stands once per class in one ranking, so frequent classes count for more, and scores of different classes are
    compared with each other. Arguments and errors are those of :func:`bootstrap`.
    """
    truth, guess = check_scores(targets, scores)
    ranking = Ranking.together(truth, guess)
    codes = clusters(patients, len(truth))
    blocks = multiplicities(codes, repeats=repeats, seed=seed, copies=truth.shape[1])
    areas = [ranking.areas(weights) for weights in blocks]
    roc, pr = (np.concatenate(parts)[:, np.newaxis] for parts in zip(*areas, strict=True))
    return Resamples(roc, pr)


def interval(values: Floats, level: float = 0.95) -> Interval:
    """The central ``level`` of ``(repeats,)`` values, leaving out those that are NaN.

    Returns:
        Low, high and the number of usable repeats; low and high are NaN when no repeat is usable.
    """
    if not 0 < level < 1:
        raise DataError(f"level must lie between 0 and 1, e.g. 0.95, got {level!r}")
    usable = values[~np.isnan(values)]
    if not usable.size:
        return Interval(float("nan"), float("nan"), 0)
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), int(usable.size))


def clusters(patients: Sequence[object] | npt.NDArray[np.generic] | None, records: int) -> Indices:
    """``(records,)`` numbers 0, 1, … of the patients; unknown patients get a number of their own."""
    if patients is None:
        return np.arange(records)
    names = np.empty(len(patients), dtype=object)
    names[:] = list(patients)
    if len(names) != records:
        raise DataError(f"patients must name one patient per record, got {len(names)} names for {records} records")
    codes, known = pd.factorize(names, use_na_sentinel=True)
    unknown = codes < 0
    codes[unknown] = len(known) + np.arange(unknown.sum())
    return codes.astype(np.intp)


def multiplicities(codes: Indices, *, repeats: int, seed: int, copies: int = 1) -> Iterator[AnyFloats]:
    """How often each record is drawn, as blocks ``(records, some of the repeats)`` that together hold all repeats.

    Args:
        codes: ``(records,)`` patient numbers from :func:`clusters`.
        repeats: How many draws of as many patients as there are.
        seed: Of the draws; the size of the blocks does not change them.
        copies: How often the caller writes each record out; blocks are the smaller.
    """
    if repeats < 1:
        raise DataError(f"repeats must be at least 1, got {repeats}")
    generator = np.random.default_rng(seed)
    patients = int(codes.max()) + 1
    block = max(1, min(_BLOCK_REPEATS, _BLOCK_BYTES // (8 * len(codes) * copies)))
    for start in range(0, repeats, block):
        columns = min(block, repeats - start)
        drawn = generator.integers(patients, size=(columns, patients))
        drawn += patients * np.arange(columns)[:, np.newaxis]
        times = np.bincount(drawn.ravel(), minlength=columns * patients).reshape(columns, patients)
        yield np.ascontiguousarray(times.T, dtype=np.float32)[codes]
