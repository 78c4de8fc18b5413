"""Deal patients into parts so that every class is shared out: iterative stratification of multi-label data, by patient.

:func:`deal` follows shares as far as the classes allow; :func:`deal_exactly` gives each part its number of patients to the last
one, and shares out combinations of classes.

Sechidis, Tsoumakas and Vlahavas 2011, "On the stratification of multi-label data", ECML PKDD: the class with the fewest
undealt examples goes first, and each of its examples to the part that still wants most of that class. Differs from the paper:
whole patients are dealt, each with all its recordings; a part that has nobody of a class yet comes before the others, so that a
class of few patients reaches the small parts too; and chance enters only through a hash of the patient's name.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

__all__ = ["deal", "deal_exactly"]


def deal(
    patients: Sequence[str], shares: Sequence[float], *, labels: Sequence[Sequence[Hashable]] | None = None, seed: int = 0
) -> list[int]:
    """The part of each recording.

    Args:
        patients: Patient of each recording; all recordings of a patient come into the same part.
        shares: Wanted share of each part, summing to 1; a share of 0 gets nobody.
        labels: Classes of each recording, any number of them.
        seed: Another seed gives another division.

    Returns:
        The number of the part of each recording, a function of names, labels and seed alone, not of the order.
    """
    sizes = Counter(patients)
    classes: dict[str, Counter[Hashable]] = {patient: Counter() for patient in sizes}
    for patient, row in zip(patients, labels or [()] * len(patients), strict=True):
        classes[patient].update(row)
    order = sorted(sizes, key=lambda patient: (_rank(patient, seed), patient))
    names = sorted({name for counts in classes.values() for name in counts}, key=str)
    number = {name: i for i, name in enumerate(names)}
    holders: list[list[str]] = [[] for _ in names]
    totals = np.zeros(len(names) + 1)
    for patient in order:
        for name, count in classes[patient].items():
            holders[number[name]].append(patient)
            totals[number[name]] += count
    totals[-1] = len(patients)
    # What each part is to get, and what it still wants: a row per class, the last row for recordings as such.
    due = np.outer(totals, shares)
    wanted = np.where(due > 0, due, -np.inf)
    part: dict[str, int] = {}
    left = [len(row) for row in holders]
    while open_classes := [i for i, count in enumerate(left) if count]:
        rarest = min(open_classes, key=lambda i: (left[i], i))
        for patient in holders[rarest]:
            if patient not in part:
                part[patient] = _hand_out(wanted, due, rarest, [*_rows(classes[patient], number), (len(names), sizes[patient])])
                for name in classes[patient]:
                    left[number[name]] -= 1
    for patient in order:
        if patient not in part:
            part[patient] = _hand_out(wanted, due, len(names), [(len(names), sizes[patient])])
    return [part[patient] for patient in patients]


def deal_exactly(
    patients: Sequence[str], sizes: Sequence[int], *, labels: Sequence[Sequence[Hashable]], seed: int = 0
) -> list[int]:
    """The part of each recording, so that part ``k`` gets exactly ``sizes[k]`` patients.

    Patients queue, those with the same combination of classes beside each other and by chance among themselves. Each
    goes to the part that is furthest behind its share of the queue so far, so every combination is shared out evenly.

    Args:
        patients: Patient of each recording; all recordings of a patient come into the same part.
        sizes: Patients of each part; as many as there are in all.
        labels: Classes of each recording, any number of them.
        seed: Another seed gives another division.

    Returns:
        The number of the part of each recording, a function of names, labels and seed alone, not of the order.
    """
    classes: dict[str, set[str]] = {patient: set() for patient in patients}
    for patient, row in zip(patients, labels, strict=True):
        classes[patient].update(map(str, row))
    assert sum(sizes) == len(classes)
    queue = sorted(classes, key=lambda patient: (sorted(classes[patient]), _rank(patient, seed), patient))
    # In whole numbers: what a part lacks of its share, times the number of patients. It never falls below minus one patient, so
    # at the end, where the lacks are whole patients and add up to none, each is none.
    lacks, part = [0] * len(sizes), dict[str, int]()
    for patient in queue:
        lacks = [lack + size for lack, size in zip(lacks, sizes, strict=True)]
        part[patient] = lacks.index(max(lacks))
        lacks[part[patient]] -= len(queue)
    return [part[patient] for patient in patients]


def _rows(counts: Counter[Hashable], number: dict[Hashable, int]) -> list[tuple[int, int]]:
    return [(number[name], count) for name, count in counts.items()]


def _hand_out(wanted: np.ndarray, due: np.ndarray, row: int, gives: Sequence[tuple[int, int]]) -> int:
    """A part without any of this class (the largest first), else the part that wants most of it, then of recordings."""
    parts = np.flatnonzero(due[row] > 0)
    empty = parts[wanted[row, parts] == due[row, parts]]
    if row < len(wanted) - 1 and len(empty):
        most = empty[due[row, empty] >= due[row, empty].max() - 1e-9]
    else:
        most = parts[wanted[row, parts] >= wanted[row, parts].max() - 1e-9]
    chosen = int(most[np.argmax(wanted[-1, most])])
    for i, count in gives:
        wanted[i, chosen] -= count
    return chosen


def _rank(patient: str, seed: int) -> str:
    return hashlib.blake2b(f"{seed}:{patient}".encode(), digest_size=8).hexdigest()
