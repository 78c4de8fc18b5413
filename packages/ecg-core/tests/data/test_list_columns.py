"""Columns of lists under pandas 2 and 3: what broke torch_ecg's tables under Arrow-backed strings and copy-on-write.

There a column was made as ``df["dx"] = ""`` and filled by ``df.at[i, "dx"] = [...]``: under pandas 3 the column is of
strings and refuses a list. Here every way to begin such a column ends in one of dtype object that holds tuples.
"""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ecg_core
from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError

STRINGS = ["python", *(["pyarrow"] if "string_storage" in dir(pd.options.mode) else [])]
BEGUN = {
    "empty strings": ["", "", ""],
    "None": [None, None, None],
    "NaN": [np.nan, np.nan, np.nan],
    "NA": [pd.NA, pd.NA, pd.NA],
    "empty lists": [[], [], []],
    "empty tuples": [(), (), ()],
    "one string": ["AF", "", ""],
    "one list": [["AF"], [], []],
    "an array": [np.array(["AF"], dtype=object), (), ()],
}


def begun(values, **columns) -> RecordTable:
    frame = pd.DataFrame({"record_id": ["r1", "r2", "r3"], "root": "", "path": "", **columns})
    return RecordTable(frame).with_targets(dx=values)


@pytest.mark.parametrize("how", BEGUN)
def test_a_column_of_lists_takes_a_list_however_it_was_begun(how):
    t = begun(BEGUN[how])
    assert t.frame["dx"].dtype == object
    assert t.targets == ("dx",)
    frame = t.frame.copy()
    frame.at[1, "dx"] = ("SR", "PAC")  # noqa: PD008 — this very assignment is what broke
    assert RecordTable(frame).frame["dx"].tolist()[1] == ("SR", "PAC")
    assert t.frame["dx"].tolist()[1] == ()  # the table it was copied from is as before


@pytest.mark.parametrize("how", BEGUN)
def test_a_column_of_lists_survives_concat_merge_groupby_and_files(how, tmp_path):
    t = begun(BEGUN[how], patient_id=["a", "a", "b"])
    wanted = t.frame["dx"].tolist()
    both = pd.concat([t.frame, t.frame.assign(record_id=["s1", "s2", "s3"])], ignore_index=True)
    assert RecordTable(both).frame["dx"].tolist() == wanted + wanted
    merged = t.frame.merge(pd.DataFrame({"record_id": ["r3", "r1", "r2"], "age": [1.0, 2.0, 3.0]}), on="record_id", how="left")
    assert RecordTable(merged).frame["dx"].tolist() == wanted
    grouped = t.frame.groupby("patient_id")["dx"].agg(lambda rows: tuple(name for row in rows for name in row))
    assert grouped.tolist() == [wanted[0] + wanted[1], wanted[2]]
    t.to_csv(tmp_path / "t.csv")
    assert RecordTable.read_csv(tmp_path / "t.csv").frame["dx"].tolist() == wanted
    if any(wanted):
        pytest.importorskip("pyarrow")
        t.to_parquet(tmp_path / "t.parquet")
        again = RecordTable.read_parquet(tmp_path / "t.parquet")
        assert again.frame["dx"].tolist() == wanted
        assert again.targets == t.targets


@pytest.mark.parametrize("storage", STRINGS)
def test_tables_are_alike_whatever_stores_the_strings(storage, tmp_path):
    if storage == "pyarrow":
        pytest.importorskip("pyarrow")
    with pd.option_context("mode.string_storage", storage):
        t = begun([["AF", "SR"], "PVC", None], patient_id=pd.array(["007", None, "8"], dtype="string"))
        t.to_csv(tmp_path / "t.csv")
        again = RecordTable.read_csv(tmp_path / "t.csv")
        assert again.frame["dx"].tolist() == [("AF", "SR"), ("PVC",), ()]
        assert again.frame["patient_id"].tolist() == ["007", None, "8"]


def test_giving_targets_leaves_the_table_and_the_values_as_they_were():
    t, given = begun([(), (), ()]), [["AF"], [], []]
    after = t.with_targets(dx=given)
    assert t.frame["dx"].tolist() == [(), (), ()]
    given[0].append("SR")
    assert after.frame["dx"].tolist() == [("AF",), (), ()]


def test_as_many_values_as_recordings_are_wanted():
    with pytest.raises(DataError, match="the target 'dx' has 2 values for 3 recordings; give one each"):
        begun([["AF"], []])


OURS = ("ecg_core", "ecg_backbones", "ecg_preproc", "ecg_ssl")


def test_no_file_of_ours_goes_row_by_row_changes_in_place_or_sets_pandas_for_everybody():
    found = []
    folders = [Path(spec.origin).parent for name in OURS if (spec := find_spec(name)) and spec.origin]
    assert Path(ecg_core.__file__).parent in folders
    for folder in folders:
        for file in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                    # torch's layers take a variable of this name; pandas is told True.
                    words = {word.arg for word in node.keywords if isinstance(word.value, ast.Constant)}
                    if name in ("iterrows", "set_option") or "inplace" in words:
                        found.append(f"{file.name}:{node.lineno} {name}")
    assert found == []
