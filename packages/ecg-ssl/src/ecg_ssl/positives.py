"""Who belongs to whom: masks of positive pairs from the patients, recordings or trials of a batch.

Patients are known by number. Numbers of one store are made from all its patients and never clash; where batches of several data
sets meet, :func:`patient_numbers` makes numbers of names that say which data set they are from.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ecg_core.contracts.draws import record_key
from ecg_core.data.batch import Batch

__all__ = ["known_patients", "patient_numbers", "recording_numbers", "same"]

_NOT_NEGATIVE = 0x7FFF_FFFF_FFFF_FFFF


def known_patients(batch: Batch, *, who: str) -> Tensor:
    """``(batch,)`` int64 patients of the windows, on the device of the signal.

    Args:
        batch: Windows.
        who: The method that asks, for the message.

    Raises:
        ValueError: The batch has no patients.
    """
    if batch.patient is None:
        raise ValueError(f"{who} needs patient in every batch; prepare the data with it (e.g. --patient)")
    return torch.as_tensor(batch.patient, device=batch.signal.device)


def recording_numbers(batch: Batch, *, who: str) -> Tensor:
    """``(batch,)`` int64: equal where windows are of the same recording, on every process alike.

    Raises:
        ValueError: The batch does not say which recordings its windows are from.
    """
    if not batch.record_ids:
        raise ValueError(f"{who} needs record_ids in every batch, which name the recording of each window")
    return torch.tensor([record_key(name) for name in batch.record_ids], device=batch.signal.device)


def patient_numbers(patients: Sequence[str | None], *, datasets: Sequence[str]) -> Tensor:
    """Numbers of patients of several data sets: patient 7 of one is not patient 7 of another.

    Args:
        patients: Name of each window's patient in its data set.
        datasets: Name of each window's data set.

    Returns:
        ``(windows,)`` int64, not negative, a pure function of the names.

    Raises:
        ValueError: The sequences differ in length, or a patient or data set has no name.
    """
    if len(patients) != len(datasets):
        raise ValueError(f"each patient needs a data set, got {len(patients)} patients and {len(datasets)} data sets")
    nameless = [i for i, (p, d) in enumerate(zip(patients, datasets, strict=True)) if not p or not d]
    if nameless:
        raise ValueError(f"window {nameless[0]} has no patient or no data set; leave such windows out, nobody's are no pair")
    numbers = [record_key(f"{d}:{p}") & _NOT_NEGATIVE for p, d in zip(patients, datasets, strict=True)]
    return torch.tensor(numbers, dtype=torch.int64)


def same(rows: Tensor, columns: Tensor | None = None) -> Tensor:
    """``(rows, columns)`` booleans, true where both numbers are equal; ``columns`` are the rows unless given."""
    return rows[:, None] == (rows if columns is None else columns)[None, :]
