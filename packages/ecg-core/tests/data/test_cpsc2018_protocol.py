"""The protocol cpsc2018: 6,877 recordings are dealt the same way for everybody, in the numbers of MERL's table."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_core.data.division import Division
from ecg_core.data.protocols import PROTOCOLS, protocol_sizes
from ecg_core.data.stratification import deal_exactly
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError

CPSC = PROTOCOLS["cpsc2018"]


def table(count: int, seed: int = 0, **columns: Any) -> RecordTable:
    """Recordings A0001 … with one class, or in one of ten cases two."""
    rng = np.random.default_rng(seed)
    dx = [tuple(rng.choice(CPSC.names, 1 + (rng.random() < 0.1), replace=False).tolist()) for _ in range(count)]
    names = [f"A{i + 1:04d}" for i in range(count)]
    rows = [{"record_id": n, "root": ".", "path": n, "dx": row} for n, row in zip(names, dx, strict=True)]
    for name, values in columns.items():
        rows = [{**row, name: value} for row, value in zip(rows, values, strict=True)]
    return RecordTable.from_rows(rows)


def test_the_public_recordings_come_out_in_the_published_numbers_and_every_combination_is_shared_out() -> None:
    whole = table(6877)
    found = CPSC.dealt(whole)
    assert Counter(found.values()) == dict(zip(("train", "val", "test"), CPSC.sizes, strict=True))
    shares = np.array(CPSC.sizes) / 6877
    rows = pd.DataFrame({"dx": whole.frame["dx"].map(lambda row: "+".join(sorted(row))), "split": list(found.values())})
    counts = pd.crosstab(rows["dx"], rows["split"])[["train", "val", "test"]].to_numpy()
    assert len(counts) > 40
    # A part is at most two recordings from its share of any combination: the queue is cut at both ends of it, within one each.
    assert np.abs(counts - counts.sum(axis=1, keepdims=True) * shares).max() < 2


def test_the_division_depends_on_names_and_classes_alone_and_not_on_the_order_or_a_seed() -> None:
    whole = table(500)
    turned = RecordTable.from_rows(list(whole.rows())[::-1])
    assert CPSC.dealt(turned) == CPSC.dealt(whole)
    division = Division.parse("cpsc2018")
    one, other = (division.applied(whole.frame, ["dx"], seed, table=whole) for seed in (0, 7))
    assert one == other


def test_recordings_that_could_not_be_used_move_no_other() -> None:
    whole = table(300)
    frame = whole.frame.iloc[::2]
    found = Division.parse("cpsc2018").applied(frame, ["dx"], 0, table=whole)["split"]
    assert dict(zip(frame["record_id"], found, strict=True)).items() <= CPSC.dealt(whole).items()


def test_recordings_of_one_patient_stay_together() -> None:
    whole = table(200, patient_id=[f"p{i // 2}" for i in range(200)])
    found = CPSC.dealt(whole)
    assert all(found[f"A{i:04d}"] == found[f"A{i + 1:04d}"] for i in range(1, 200, 2))
    assert Counter(found.values()) == {"train": 144, "val": 16, "test": 40}  # of 100 patients: 72, 8, 20


def test_a_split_that_the_labels_give_is_taken_and_said_to_be_the_published_one() -> None:
    splits = ["test", *["train"] * 8, "val"]
    whole = table(10, split=splits)
    division = Division.parse("cpsc2018")
    division.check(whole)
    assert not division.draws(whole)
    assert division.applied(whole.frame, ["dx"], 0, table=whole) == {"split": splits}
    assert division.draws(table(10))


@pytest.mark.parametrize(
    ("drawn", "said"), [(True, "whose members are others: papers drew theirs by chance"), (False, "9 classes, as published")]
)
def test_it_is_said_whether_the_members_are_those_of_the_paper(drawn: bool, said: str) -> None:
    whole = table(6877)
    frame = whole.frame.assign(split=whole.frame["record_id"].map(CPSC.dealt(whole)))
    told = protocol_sizes(SimpleNamespace(facts={"split": "cpsc2018", "drawn": drawn}, table=frame, targets=("dx",)))
    assert told.startswith("protocol cpsc2018: 4,950 / 551 / 1,376 recordings with a dx, 9 classes, as published")
    assert said in told
    assert told.endswith("as published") != drawn


def test_other_data_and_half_a_split_are_refused() -> None:
    division = Division.parse("cpsc2018")
    division.check(table(9))
    for other in ([("426783006",)] * 9, [()] * 9):
        with pytest.raises(DataError, match=r"'dx' of the classes Normal, AF, .* read CPSC 2018 with --reader cpsc2018"):
            division.check(table(9, dx=other))
    with pytest.raises(DataError, match="3 of 9 recordings have no split; give one to each in the labels, or to none"):
        division.check(table(9, split=["train"] * 6 + [None] * 3))


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sets(st.integers(0, 3))), min_size=1, max_size=80),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)
def test_parts_have_exactly_the_wanted_number_of_patients(rows: list, seed: int, chance: Any) -> None:
    patients = [f"p{number}" for number, _ in rows]
    count = len(set(patients))
    cuts = sorted(chance.randint(0, count) for _ in range(2))
    sizes = [cuts[0], cuts[1] - cuts[0], count - cuts[1]]
    parts = deal_exactly(patients, sizes, labels=[sorted(row) for _, row in rows], seed=seed)
    part_of = dict(zip(patients, parts, strict=True))
    assert [part_of[patient] for patient in patients] == parts
    assert [list(part_of.values()).count(part) for part in range(3)] == sizes
