"""Protocols: the division is the source's own, and whether its sizes are the published ones is said."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from ecg_core.data.division import Division
from ecg_core.data.protocols import PROTOCOLS, protocol_sizes
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError


def table(**columns: object) -> RecordTable:
    rows = [{"record_id": f"r{i}", "root": ".", "path": f"r{i}", "patient_id": f"p{i}"} for i in range(4)]
    for name, values in columns.items():
        rows = [{**row, name: value} for row, value in zip(rows, values, strict=True)]
    return RecordTable.from_rows(rows)


SPLITS = ["train", "train", "val", "test"]
SUPER = [("NORM",), ("MI", "CD"), (), ("HYP",)]


def test_a_protocol_takes_the_split_of_the_source() -> None:
    division = Division.parse("ptbxl_super")
    found = table(split=SPLITS, superclass=SUPER)
    division.check(found)
    assert division.applied(found.frame, ["superclass"], seed=0) == {"split": SPLITS}


WRONG = [{"split": SPLITS}, {"superclass": SUPER}, {"superclass": SUPER, "split": [*SPLITS[:3], None]}]


@pytest.mark.parametrize("columns", WRONG)
def test_other_data_are_refused_and_never_divided_by_chance(columns: dict[str, list]) -> None:
    with pytest.raises(DataError, match="the protocol ptbxl_super needs recordings with the target 'superclass' and a split"):
        Division.parse("ptbxl_super").check(table(**columns))


def test_an_unknown_word_names_the_protocols() -> None:
    with pytest.raises(DataError, match=r"a protocol \(ptbxl_super, ptbxl_sub, .*, got 'ptbxl_supper'"):
        Division.parse("ptbxl_supper").check(table(split=SPLITS))


def store(split: str | None, labels: list[tuple[str, ...]], splits: list[str]) -> SimpleNamespace:
    frame = pd.DataFrame({"record_id": [f"r{i}" for i in range(len(labels))], "split": splits})
    frame["superclass"] = pd.Series(labels, dtype=object)
    return SimpleNamespace(facts={"split": split}, table=frame, targets=("superclass",))


def test_sizes_that_differ_from_the_published_ones_are_said() -> None:
    told = protocol_sizes(store("ptbxl_super", SUPER, SPLITS))
    assert told.startswith("protocol ptbxl_super: 2 / 0 / 1 recordings with a superclass, 4 classes; ")
    assert "published are 17,084 / 2,146 / 2,158 and 5, so numbers are not comparable with those of papers" in told
    assert protocol_sizes(store(None, SUPER, SPLITS)) == ""
    assert protocol_sizes(store("8/1/1", SUPER, SPLITS)) == ""


def test_the_published_sizes_are_recognised() -> None:
    sizes = PROTOCOLS["ptbxl_super"].sizes
    splits = [name for name, size in zip(("train", "val", "test"), sizes, strict=True) for _ in range(size)] + ["train"] * 7
    labels = [(("NORM", "MI", "STTC", "CD", "HYP")[i % 5],) for i in range(len(splits) - 7)] + [()] * 7
    assert protocol_sizes(store("ptbxl_super", labels, splits)).endswith("5 classes, as published")


def test_numbers_of_classes_are_those_of_the_statements_of_ptb_xl(recordings: Path) -> None:
    statements = pd.read_csv(recordings / "ptbxl" / "scp_statements.csv", index_col=0)
    diagnostic = statements[statements["diagnostic"] == 1]
    of_ptbxl = {name: protocol for name, protocol in PROTOCOLS.items() if protocol.reader == "ptbxl"}
    assert {name.removeprefix("ptbxl_"): protocol.classes for name, protocol in of_ptbxl.items()} == {
        "super": diagnostic["diagnostic_class"].nunique(),
        "sub": diagnostic["diagnostic_subclass"].nunique(),
        "diagnostic": len(diagnostic),
        "form": int((statements["form"] == 1).sum()),
        "rhythm": int((statements["rhythm"] == 1).sum()),
        "all": len(statements),
    }
    # Every diagnostic statement has a class, so the three diagnostic questions are asked of the same recordings.
    assert diagnostic["diagnostic_class"].notna().all()
