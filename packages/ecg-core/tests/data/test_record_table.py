"""RecordTable: facts survive the way through a file, and labels are joined by name or refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_core.data.table import RecordTable
from ecg_core.errors import DataError, MissingExtraError


def table(*names: str, rejects=(), **columns) -> RecordTable:
    names = names or ("r1", "r2", "r3")
    rows = [
        {"record_id": n, "root": "/data", "path": f"a/{n}"} | {c: v[i] for c, v in columns.items()} for i, n in enumerate(names)
    ]
    return RecordTable.from_rows(rows, rejects)


def through_csv(t: RecordTable, folder) -> RecordTable:
    t.to_csv(folder / "t.csv")
    return RecordTable.read_csv(folder / "t.csv")


def values(t: RecordTable) -> list[dict]:
    """Rows with every missing value as None."""
    return [{k: None if v is None or v != v else v for k, v in row.items()} for row in t.rows()]


TRICKY = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=8)
IDS = st.one_of(
    st.sampled_from(["007", "1e5", "NA", "nan", "None", "true", "15709.0", "-", "[x]", "0x1F", "a,b", 'q"uote']),
    st.integers(0, 99999).map(str),
)


@settings(max_examples=50, deadline=None)
@given(
    ids=st.lists(IDS, min_size=1, max_size=5, unique=True),
    data=st.data(),
)
def test_facts_survive_a_csv_file(tmp_path_factory, ids, data):
    def column(element):
        return data.draw(st.lists(element, min_size=len(ids), max_size=len(ids)))

    t = table(
        *ids,
        patient_id=column(st.none() | IDS),
        age=column(st.none() | st.floats(0, 120)),
        sex=column(st.sampled_from(["F", "M", None])),
        fs=column(st.sampled_from([100, 500])),
        leads=column(st.sampled_from([("I",), ("I", "II")])),
        dx=column(st.lists(TRICKY, max_size=3).map(tuple)),
        scale=column(st.floats(1e-12, 1e3)),
    )
    again = through_csv(t, tmp_path_factory.mktemp("csv"))
    assert values(again) == values(t)
    assert again.targets == t.targets == ("dx",)


def test_a_column_without_a_single_value_survives_a_csv_file(tmp_path):
    again = through_csv(table(patient_id=[None] * 3, age=[None] * 3, sex=[None] * 3, dx=[()] * 3), tmp_path)
    assert [row["patient_id"] for row in again.rows()] == [None] * 3
    assert again.frame["dx"].tolist() == [()] * 3


def test_files_of_string_dtypes_are_read_alike(tmp_path):
    again = through_csv(table(patient_id=["007", None, "8"]), tmp_path)
    assert [row["patient_id"] for row in again.rows()] == ["007", None, "8"]
    for dtype in (object, "str", "string"):
        frame = again.frame.assign(record_id=again.frame["record_id"].astype(dtype))
        labels = pd.DataFrame({"record_id": ["r2", "r3"], "dx": ["AF;SR", None], "sex": [None, "F"]}, dtype=dtype)
        rows = values(RecordTable(frame).join_labels(labels))
        assert [(row["dx"], row["sex"]) for row in rows] == [((), None), (("AF", "SR"), None), ((), "F")]


def test_columns_get_the_type_of_their_values():
    t = table("a", "b", fs=[100, 500], age=[63, None], flag=[True, False], patient_id=["7", None])
    assert [str(t.frame[c].dtype) for c in ("fs", "age", "flag", "patient_id")] == ["int64", "float64", "object", "object"]
    empty = RecordTable.from_rows([], [("x.hea", "damaged")])
    assert len(empty) == 0
    assert empty.rejects.to_dict("records") == [{"path": "x.hea", "reason": "damaged"}]


def test_a_table_without_its_columns_or_with_a_name_twice_is_refused():
    with pytest.raises(DataError, match="needs the columns record_id, root and path; root, path is absent"):
        RecordTable(pd.DataFrame({"record_id": ["a"]}))
    with pytest.raises(DataError, match="record_id must be unique; 'a' stands 3 times"):
        table("a", "b", "a", "a")


def test_parquet_without_its_package_is_one_clear_error(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="Parquet needs pyarrow: pip install pyarrow; or write CSV instead"):
        table().to_parquet(tmp_path / "t.parquet")


def test_facts_survive_a_parquet_file(tmp_path):
    pytest.importorskip("pyarrow")
    t = table(patient_id=["007", None, "8"], age=[1.5, None, 3.0], dx=[("AF",), (), ("SR", "PVC")])
    t.to_parquet(tmp_path / "t.parquet")
    assert values(RecordTable.read_parquet(tmp_path / "t.parquet")) == values(t)


# ---------------------------------------------------------------------------------------------- labels


def labelled(labels: dict, *, patient=None, t: RecordTable | None = None) -> list[dict]:
    return values((t or table()).join_labels(pd.DataFrame(labels), patient=patient))


def test_labels_are_joined_by_name_whatever_their_order():
    rows = labelled(
        {
            "record_id": ["r3", "r1"],
            "dx": ["AF; SR;AF", ""],
            "sex": [" Female", "m"],
            "age": ["63", None],
            "split": ["train", "test"],
        }
    )
    assert [row["dx"] for row in rows] == [(), (), ("AF", "SR")]
    assert [row["sex"] for row in rows] == ["M", None, "F"]
    assert [row["age"] for row in rows] == [None, None, 63.0]
    assert [row["split"] for row in rows] == ["test", None, "train"]


def test_every_other_column_is_a_target():
    t = table().join_labels(pd.DataFrame({"record_id": ["r1"], "rhythm": ["AFIB"], "form": ["LVH;PVC"]}))
    assert t.targets == ("rhythm", "form")


def test_a_patient_column_with_gaps_keeps_its_numbers():
    # What pandas makes of 15709,,7 without being told; and what it writes into the next file.
    for column in ([15709.0, None, 7.0], ["15709.0", None, " 7 "], [15709, None, 7]):
        assert [row["patient_id"] for row in labelled({"record_id": ["r1", "r2", "r3"], "patient_id": column})] == [
            "15709",
            None,
            "7",
        ]


def test_leading_zeros_of_patients_and_classes_stay():
    rows = labelled({"record_id": ["r1", "r2", "r3"], "who": ["007", "7", "07"], "code": ["01;1", "1.5", "1"]}, patient="who")
    assert [row["patient_id"] for row in rows] == ["007", "7", "07"]
    assert [row["code"] for row in rows] == [("01", "1"), ("1.5",), ("1",)]


def test_the_named_patient_column_wins_over_one_called_patient_id():
    rows = labelled({"record_id": ["r1"], "patient_id": ["wrong"], "who": ["right"]}, patient="who")
    assert rows[0]["patient_id"] == "right"
    assert "who" not in rows[0]


def test_what_the_recording_states_itself_is_not_overwritten():
    t = table("r1", fs=[500], leads=[("I",)])
    rows = labelled(
        {"record_id": ["r1"], "path": ["../../etc/passwd"], "root": ["/"], "fs": ["100"], "leads": ["II"], "n_samples": [3]}, t=t
    )
    assert rows == [{"record_id": "r1", "root": "/data", "path": "a/r1", "fs": 500, "leads": ("I",)}]


def test_labels_of_refused_recordings_are_no_mistake():
    t = table("r1", rejects=[("deep/r2.hea", "damaged"), ("r3.hea", "damaged")])
    for name in ("r2", "deep/r2", "r3"):
        assert len(labelled({"record_id": ["r1", name], "dx": ["AF", "SR"]}, t=t)) == 1


@pytest.mark.parametrize(
    ("labels", "patient", "said"),
    [
        ({"id": ["r1"]}, None, "the labels file needs a column record_id, got id"),
        ({"record_id": ["r1"]}, "who", r"the labels file has no column 'who' \(--patient\); it has record_id"),
        ({"record_id": ["r1", "r2", "r1"]}, None, "the labels file has two lines for record 'r1'; keep one"),
        ({"record_id": ["r1", None]}, None, "the labels file has no record_id in line 3; fill it in or remove the line"),
        (
            {"record_id": ["r1", "x1", "x2"]},
            None,
            r"the labels file names 2 record\(s\) that are not in the folder: x1, x2; correct the record_id column or add",
        ),
        ({"record_id": [f"x{i}" for i in range(9)]}, None, r"names 9 record\(s\) that are not in the folder: x0, x1, x2, …;"),
        (
            {"record_id": ["r1"], "age": ["old"]},
            None,
            "the labels file gives record 'r1' the age 'old'; an age is a number of years",
        ),
        (
            {"record_id": ["r2"], "sex": ["0"]},
            None,
            "the labels file gives record 'r2' the sex '0'; a sex is F, M, female, male, or empty",
        ),
    ],
)
def test_labels_that_do_not_fit_are_one_clear_error(labels, patient, said):
    with pytest.raises(DataError, match=said):
        labelled(labels, patient=patient)


def test_joining_leaves_both_tables_as_they_were():
    t, labels = table(), pd.DataFrame({"record_id": ["r1"], "who": ["p"], "dx": ["AF"]})
    before, labels_before = t.frame.copy(), labels.copy()
    t.join_labels(labels, patient="who")
    pd.testing.assert_frame_equal(t.frame, before)
    pd.testing.assert_frame_equal(labels, labels_before)


def test_a_frame_with_any_index_is_joined_by_name():
    t = RecordTable(table().frame.set_index(np.array([5, 5, 5])))
    assert [row["dx"] for row in labelled({"record_id": ["r2"], "dx": ["AF"]}, t=t)] == [(), ("AF",), ()]
