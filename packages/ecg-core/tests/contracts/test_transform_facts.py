"""What travels with a signal through a transform: names of leads, positions, values per sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from ecg_core.contracts.compose import Compose
from ecg_core.contracts.transform import Transform
from ecg_core.data.batch import Batch
from ecg_core.data.record import Record
from ecg_core.errors import DataError

X = np.arange(48, dtype=np.float32).reshape(2, 3, 8)


class LastLeadFirst(Transform):
    """The leads in reverse, with the sum of the positions of each window's marks written into the first sample."""

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        out = x[:, ::-1].copy()
        if drawn["marks"] is not None:
            out[:, 0, 0] = drawn["marks"].sum(axis=1)
        return out

    def output_leads(self, leads: tuple[str, ...]) -> tuple[str, ...]:
        return leads[::-1]

    def context(self, *, leads: tuple[str, ...] | None, annotations: Mapping[str, Any]) -> dict[str, Any]:
        return {"marks": annotations.get("marks"), "names": leads}


class DropTwo(Transform):
    """Without the first two samples."""

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return x[..., 2:].copy()

    def output_length(self, n_samples: int, fs: float) -> int:
        return n_samples - 2

    def move(self, positions: Any, *, fs: float, samples: int, **drawn: Any) -> Any:
        return positions - 2

    def move_mask(self, mask: Any, *, fs: float, **drawn: Any) -> Any:
        return mask[:, 2:]


def test_lead_names_follow_the_leads_in_records_and_batches() -> None:
    assert LastLeadFirst()(Record(X[0], 100.0, ("I", "II", "V1"))).leads == ("V1", "II", "I")
    assert LastLeadFirst()(Batch(signal=X, fs=100.0, leads=("I", "II", "V1"))).leads == ("V1", "II", "I")


def test_a_chain_hands_each_step_the_names_the_step_before_left() -> None:
    seen: list[Any] = []

    class Looks(LastLeadFirst):
        def context(self, **facts: Any) -> dict[str, Any]:
            seen.append(facts["leads"])
            return super().context(**facts)

    Compose([Looks(), Looks()])(X, fs=100, leads=("i", "ii", "v1"))
    assert seen == [("I", "II", "V1"), ("V1", "II", "I")]


def test_positions_of_a_batch_move_and_those_that_leave_become_minus_one() -> None:
    batch = Batch(signal=X, fs=100.0, leads=("I", "II", "V1"), annotations={"r_peaks": np.array([[1, 5], [7, -1]])})
    assert DropTwo()(batch).annotations["r_peaks"].tolist() == [[-1, 3], [5, -1]]


def test_targets_per_step_move_with_the_signal_as_numbers_and_as_shares() -> None:
    numbers = np.arange(16).reshape(2, 8)
    shares = np.stack([numbers, -numbers], axis=1)
    leads = ("I", "II", "V1")
    assert (DropTwo()(Batch(signal=X, fs=100.0, leads=leads, step_targets=numbers)).step_targets == numbers[:, 2:]).all()
    assert (DropTwo()(Batch(signal=X, fs=100.0, leads=leads, step_targets=shares)).step_targets == shares[..., 2:]).all()


def test_positions_reach_the_transform_that_asks_for_them() -> None:
    batch = Batch(signal=X, fs=100.0, leads=("I", "II", "V1"), annotations={"marks": np.array([[1, 5], [7, -1]])})
    assert LastLeadFirst()(batch).signal[:, 0, 0].tolist() == [6.0, 6.0]


def test_wrong_names_are_refused() -> None:
    with pytest.raises(DataError, match="2 lead names for a signal of 3 leads; give one name per lead"):
        LastLeadFirst()(X, fs=100, leads=("I", "II"))
    with pytest.raises(ValueError, match=r"a Record knows its leads \(I, II, V1\); leave out leads="):
        LastLeadFirst()(Record(X[0], 100.0, ("I", "II", "V1")), leads=("I", "II", "V2"))


def test_annotations_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"annotations 'r_peaks' must be \(2, positions\), got shape \(3, 1\)"):
        Batch(signal=X, fs=100.0, leads=("I", "II", "V1"), annotations={"r_peaks": np.zeros((3, 1), dtype=np.int64)})
