"""The metric of the PhysioNet/CinC Challenges 2020 and 2021: accuracy in which some mistakes cost less than others.

Perez Alday et al., "Classification of 12-lead ECGs", Physiol. Meas. 41:124003, 2020; Reyna et al., "Will two do?", CinC 2021.
Each recording shares one point out over the pairs of its true and its given classes, divided by how many classes are true or
given; the pairs are weighted by a matrix. The sum is scaled so that perfect answers score 1 and a classifier that calls every
recording normal scores 0; worse ones score below 0.

The weights are part of a challenge's rules and change from year to year, so none are kept here: give those of the organisers'
table, a square CSV file that names the same classes above its columns and before its rows.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecg_core.errors import DataError
from ecg_core.evaluation.ranking import Floats

__all__ = ["cinc2020_score", "read_weights"]

Bools = npt.NDArray[np.bool_]


def read_weights(path: str | os.PathLike[str]) -> tuple[tuple[str, ...], Floats]:
    """Class names and the weight of each pair, ``(true classes, given classes)``, from a CSV file.

    Names such as ``"733534002|164909002"`` stand for classes that the challenge calls equivalent and are kept as they are.

    Raises:
        DataError: The file is no square table of numbers with the same names on both sides.
    """
    try:
        table = pd.read_csv(Path(path), index_col=0, dtype=str)
        weights = table.to_numpy().astype(np.float64)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no table of weights ({error})") from None
    rows, columns = ([str(name).strip() for name in names] for names in (table.index, table.columns))
    if rows != columns or not rows or not np.isfinite(weights).all():
        raise DataError(
            f"{path} must name the same classes above its columns and before its rows, with a number in every cell; "
            f"got {len(rows)} rows and {len(columns)} columns"
        )
    return tuple(rows), weights


def cinc2020_score(
    targets: npt.ArrayLike, given: npt.ArrayLike, weights: npt.ArrayLike, *, classes: Sequence[str], normal: str = "426783006"
) -> float:
    """The challenge's metric, at most 1.

    Args:
        targets: ``(records, classes)`` of 0 and 1.
        given: ``(records, classes)`` of 0 and 1, the decisions.
        weights: ``(classes, classes)``; a row is a true class, a column a given one.
        classes: One name per column.
        normal: The class that scores 0 when it is given to every recording; sinus rhythm by its SNOMED CT code.

    Raises:
        DataError: Arguments that do not fit, or weights for which calling everything normal is perfect.

    Example:
        >>> cinc2020_score([[1, 0], [0, 1]], [[1, 0], [1, 0]], [[1, 0], [0, 1]], classes=["N", "AF"], normal="N")
        0.0
    """
    truth, answers, matrix = _binary(targets, "targets"), _binary(given, "given"), np.asarray(weights, dtype=np.float64)
    names = list(classes)
    if truth.shape != answers.shape or truth.shape[1] != len(names) or matrix.shape != (len(names), len(names)):
        raise DataError(
            f"targets and given must be (records, {len(names)}) and weights ({len(names)}, {len(names)}), "
            f"got shapes {truth.shape}, {answers.shape} and {matrix.shape}"
        )
    if normal not in names:
        raise DataError(f"the normal class {normal!r} is none of the classes {', '.join(names)}")
    inactive = np.zeros_like(truth)
    inactive[:, names.index(normal)] = True
    observed, perfect, nothing = (_shared_out(truth, each, matrix) for each in (answers, truth, inactive))
    if perfect == nothing:
        raise DataError("calling every recording normal is a perfect answer here, so there is no scale; score other recordings")
    return (observed - nothing) / (perfect - nothing)


def _shared_out(truth: Bools, given: Bools, weights: Floats) -> float:
    share = 1 / np.maximum((truth | given).sum(axis=1), 1)
    pairs = (truth * share[:, np.newaxis]).T @ given.astype(np.float64)
    return float((weights * pairs).sum())


def _binary(values: npt.ArrayLike, name: str) -> Bools:
    array = np.asarray(values)
    if array.ndim != 2 or not array.size or not ((array == 0) | (array == 1)).all():
        raise DataError(f"{name} must be (records, classes) of 0 and 1, got shape {array.shape}")
    return array.astype(np.bool_)
