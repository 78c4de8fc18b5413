"""Few labels: which windows a training may learn from when labels are scarce, as in the tables of self-supervised papers.

Patients are drawn, not windows: ten recordings of one heart are one patient's worth of labels. Draws are nested: with one seed,
the windows of a smaller fraction are among those of a larger one, and so for shots, so that a curve over them adds labels and
changes nothing else.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from ecg_core.errors import ConfigError

__all__ = ["draw_fraction", "draw_shots"]


def draw_fraction(patients: Sequence[str], has: np.ndarray, fraction: float, *, seed: int = 0) -> np.ndarray:
    """Positions of the windows of a share of the patients.

    Patients come in an order that depends on their names and the seed alone. Those who are needed for every class to have an
    example come first: again and again the one with most classes that nobody before has.

    Args:
        patients: Patient of each window.
        has: ``(windows, classes)``, true where a window is an example of a class.
        fraction: Share of the patients, rounded up.
        seed: Another seed draws others.

    Raises:
        ConfigError: The fraction is not in (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ConfigError(f"fraction must lie in (0, 1], such as 0.01 for one patient in a hundred, got {fraction!r}")
    found, code = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    names: list[str] = found.tolist()
    order = np.array(sorted(range(len(names)), key=lambda i: _rank(names[i], seed)), dtype=np.int64)
    classes = np.zeros((len(names), has.shape[1]), dtype=bool)
    np.logical_or.at(classes, code, has.astype(bool))
    left, first = classes.any(axis=0), []
    while left.any():
        new = classes[order][:, left].sum(axis=1)
        first.append(int(order[int(new.argmax())]))  # the first of equals, in the order drawn
        left &= ~classes[first[-1]]
    ordered = [*first, *(int(i) for i in order if int(i) not in set(first))]
    count = max(1, math.ceil(fraction * len(names) - 1e-9))
    return np.flatnonzero(np.isin(code, ordered[:count]))


def draw_shots(patients: Sequence[str], windows: Sequence[str], has: np.ndarray, shots: int, *, seed: int = 0) -> np.ndarray:
    """Positions of ``shots`` windows of each class, of as many patients as there are.

    A class with fewer windows gives all; a window with several classes counts for each, so that some have more.

    Args:
        patients: Patient of each window.
        windows: A name for each, which no two share.
        has: ``(windows, classes)``, true where a window is an example of a class.
        shots: Windows of each class.
        seed: Another seed draws others.

    Raises:
        ConfigError: ``shots`` is below 1.
    """
    if shots < 1:
        raise ConfigError(f"shots must be at least 1 example of each class, got {shots!r}")
    ranks = [(_rank(patient, seed), _rank(window, seed)) for patient, window in zip(patients, windows, strict=True)]
    chosen: set[int] = set()
    for column in has.T.astype(bool):
        seen: dict[str, int] = {}
        turns = []
        for i in sorted(np.flatnonzero(column).tolist(), key=lambda i: ranks[i][1]):
            seen[patients[i]] = seen.get(patients[i], -1) + 1
            turns.append((seen[patients[i]], *ranks[i], i))  # every patient's first window before anybody's second
        chosen |= {turn[-1] for turn in sorted(turns)[:shots]}
    return np.array(sorted(chosen), dtype=np.int64)


def _rank(name: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
