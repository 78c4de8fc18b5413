"""PTB-XL: its own tables give targets, folds and facts; what is wrong with them is said."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from ecg_core.data.record import Record
from ecg_core.errors import DataError
from ecg_preproc.readers.ptbxl import PTBXLReader
from ecg_preproc.readers.scp import parse_codes
from ecg_preproc.readers.write import write_record

STATEMENTS = """,description,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass
NORM,normal ECG,1.0,,,NORM,NORM
IMI,inferior myocardial infarction,1.0,,,MI,IMI
AMI,anterior myocardial infarction,1.0,,,MI,AMI
1AVB,first degree AV block,1.0,,,CD,_AVB
NST_,non-specific ST changes,1.0,1.0,,STTC,NST_
SR,sinus rhythm,,,1.0,,
"""
DATABASE = """ecg_id,patient_id,age,sex,scp_codes,strat_fold,filename_lr,filename_hr
3,17014.0,300.0,1,"{'IMI': 0.0, 'AMI': 35.0, 'NST_': 50.0, 'SR': 0.0}",10,records100/00000/00003_lr,records500/00000/00003_hr
1,15709.0,56.0,0,"{'NORM': 100.0, 'SR': 0.0}",8,records100/00000/00001_lr,records500/00000/00001_hr
2,,,,"{'NORM': 100.0}",9,records100/00000/00002_lr,records500/00000/00002_hr
"""
LABELS = """ecg_id,patient_id,strat_fold,filename_lr,super_class,sub_class,rhythm,form
1,15709,8,records100/00000/00001_lr,NORM,NORM,SR,
4,99,2,records100/00000/00004_lr,CD;STTC,AVB;NST,SR,NST
"""


@pytest.fixture
def ptbxl(tmp_path: Path, record: Record) -> Path:
    """Four records at 100 Hz, of which number 2 is not there."""
    (tmp_path / "scp_statements.csv").write_text(STATEMENTS)
    (tmp_path / "ptbxl_database.csv").write_text(DATABASE)
    (tmp_path / "ptbxl_labels.csv").write_text(LABELS)
    (tmp_path / "records100/00000").mkdir(parents=True)
    for name in ("00001_lr", "00003_lr", "00004_lr"):
        write_record(dataclasses.replace(record, record_id=name, labels={}), tmp_path / "records100/00000")
    return tmp_path


def test_any_diagnostic_statement_counts_whatever_its_likelihood(ptbxl: Path):
    row = PTBXLReader().scan(ptbxl).frame.set_index("record_id").loc["3"]
    assert row["superclass"] == ("MI", "STTC")
    assert row["subclass"] == ("IMI", "AMI", "NST_")
    assert row["diagnostic"] == ("IMI", "AMI", "NST_")
    assert (row["form"], row["rhythm"]) == (("NST_",), ("SR",))
    assert row["scp_codes"] == ("IMI", "AMI", "NST_", "SR")


def test_folds_1_to_8_train_9_validate_and_10_tests(ptbxl: Path):
    frame = PTBXLReader().scan(ptbxl).frame
    assert dict(zip(frame["record_id"], frame["split"], strict=True)) == {"1": "train", "3": "test", "4": "train"}


def test_ages_above_89_are_hidden_as_300_and_kept_as_90(ptbxl: Path):
    frame = PTBXLReader().scan(ptbxl).frame.set_index("record_id")
    assert frame.loc["3", "age"] == 90.0
    assert frame.loc["1", "age"] == 56.0
    assert pd.isna(frame.loc["4", "age"])


def test_sex_0_is_male_and_1_is_female_and_patients_are_whole_numbers(ptbxl: Path):
    frame = PTBXLReader().scan(ptbxl).frame.set_index("record_id")
    assert frame["sex"].tolist() == ["M", "F", None]
    assert frame["patient_id"].tolist() == ["15709", "17014", "99"]


def test_a_record_that_only_the_label_table_knows_has_its_labels_and_no_codes(ptbxl: Path):
    row = PTBXLReader().scan(ptbxl).frame.set_index("record_id").loc["4"]
    assert row["superclass"] == ("CD", "STTC")
    assert row["subclass"] == ("_AVB", "NST_")  # the label table writes AVB and NST
    assert (row["diagnostic"], row["scp_codes"]) == ((), ())
    assert (row["form"], row["rhythm"]) == (("NST_",), ("SR",))


def test_a_record_of_the_table_that_is_not_there_is_rejected(ptbxl: Path):
    rejects = PTBXLReader().scan(ptbxl).rejects
    assert rejects["path"].tolist() == ["records100/00000/00002_lr.hea"]
    assert "there is no file '00002_lr.hea'" in rejects["reason"][0]


def test_a_record_carries_its_facts_and_targets(ptbxl: Path):
    reader = PTBXLReader()
    _, row, _ = reader.scan(ptbxl).rows()
    record = reader.read(row)
    assert (record.record_id, record.patient_id, record.age, record.sex) == ("3", "17014", 90.0, "F")
    assert record.labels["superclass"] == ("MI", "STTC")
    assert set(record.labels) == {"superclass", "subclass", "diagnostic", "form", "rhythm", "scp_codes"}


def test_several_tables_are_one(ptbxl: Path):
    head, *lines = DATABASE.splitlines()
    (ptbxl / "ptbxl_database.csv").unlink()
    (ptbxl / "ptbxl_database_a.csv").write_text("\n".join([head, lines[0]]))
    (ptbxl / "ptbxl_database_b.csv").write_text("\n".join([head, *lines[1:]]))
    assert PTBXLReader().scan(ptbxl).frame["record_id"].tolist() == ["1", "3", "4"]
    (ptbxl / "ptbxl_database_b.csv").write_text("\n".join([head, *lines]))
    with pytest.raises(DataError, match=r"ecg_id 3 stands more than once in ptbxl_database_a\.csv, ptbxl_database_b\.csv"):
        PTBXLReader().scan(ptbxl)


def test_the_layout_is_recognised_by_its_table_wherever_the_statements_are(ptbxl: Path, tmp_path_factory: pytest.TempPathFactory):
    assert PTBXLReader().recognises(ptbxl)
    moved = tmp_path_factory.mktemp("elsewhere") / "scp_statements.csv"
    (ptbxl / "scp_statements.csv").rename(moved)
    assert PTBXLReader().recognises(ptbxl)  # never read as plain WFDB, which would lose the patients
    assert PTBXLReader(statements=str(moved)).recognises(ptbxl)
    assert len(PTBXLReader(statements=str(moved)).scan(ptbxl)) == 3
    (ptbxl / "ptbxl_labels.csv").unlink()
    with pytest.raises(DataError, match=r"scp_statements\.csv: no such file, and only it gives the codes their meaning"):
        PTBXLReader().scan(ptbxl)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "ptbxl_database.csv",
            "'IMI'",
            "'XYZ'",
            "the code 'XYZ' has no row in scp_statements.csv; use",
        ),
        ("ptbxl_database.csv", "scp_codes", "codes", "the column 'scp_codes' is absent, expected a table of PTB-XL"),
        ("ptbxl_database.csv", "\n1,", "\nx,", "the column 'ecg_id' holds words, expected numbers"),
        ("ptbxl_database.csv", "\n1,", "\n,", "a row has no ecg_id"),
        ("ptbxl_database.csv", "17014.0", "me", "the column 'patient_id' holds words"),
        ("ptbxl_database.csv", "records100", "../records100", "no record of the tables can be read at 100 Hz, the first because"),
        ("ptbxl_database.csv", DATABASE, "", "not a CSV table"),
        ("scp_statements.csv", "diagnostic_class", "klass", "not the table of statements of PTB-XL"),
        ("scp_statements.csv", STATEMENTS, "", "not the table of statements of PTB-XL"),
    ],
)
def test_a_wrong_table_is_one_sentence(ptbxl: Path, file: str, old: str, new: str, message: str):
    (ptbxl / "ptbxl_labels.csv").unlink()
    text = (ptbxl / file).read_text()
    assert old in text
    (ptbxl / file).write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message):
        PTBXLReader().scan(ptbxl)


def test_a_folder_without_the_table_is_not_ptbxl(tmp_path: Path):
    with pytest.raises(DataError, match=r"no ptbxl_database\*\.csv, expected the layout of PTB-XL"):
        PTBXLReader().scan(tmp_path)


def test_codes_that_cannot_be_read_cost_one_record_and_are_never_run(ptbxl: Path):
    table = ptbxl / "ptbxl_database.csv"
    table.write_text(table.read_text().replace("{'NORM': 100.0, 'SR': 0.0}", "__import__('os').abort()"))
    scanned = PTBXLReader().scan(ptbxl)
    assert scanned.frame["record_id"].tolist() == ["3", "4"]
    assert "expected a dictionary such as {'NORM': 100.0, 'SR': 0.0}" in scanned.rejects["reason"][0]


@pytest.mark.parametrize(
    "cell", [None, float("nan"), "", "NORM", "['NORM']", "{1: 2}", "{'NORM': 'x'}", "(" * 5000, "{" * 20_000]
)
def test_a_cell_that_is_not_a_dictionary_of_likelihoods_is_refused(cell: object):
    with pytest.raises(DataError, match=r"scp_codes is .*, expected a dictionary such as"):
        parse_codes(cell)


def test_only_the_two_sampling_frequencies_of_ptbxl_exist():
    with pytest.raises(DataError, match="PTB-XL comes at 100 and 500 Hz, got fs=250"):
        PTBXLReader(fs=250)  # type: ignore[arg-type]


def test_a_record_at_another_frequency_than_its_folder_is_rejected(ptbxl: Path, record: Record):
    other = dataclasses.replace(record, record_id="00003_lr", fs=500.0, labels={})
    write_record(other, ptbxl / "records100/00000")
    reasons = PTBXLReader().scan(ptbxl).rejects["reason"].tolist()
    assert any("sampled at 500 Hz, expected 100 Hz" in reason for reason in reasons)


@pytest.mark.parametrize("target", ["superclass", "subclass", "form", "rhythm"])
def test_targets_of_real_codes_equal_the_independent_label_table(recordings: Path, target: str):
    labels = pd.read_csv(recordings / "ptbxl/ptbxl_labels.csv").set_index("ecg_id")
    column = {"superclass": "super_class", "subclass": "sub_class"}.get(target, target)
    compared = 0
    for row in PTBXLReader().scan(recordings / "ptbxl").rows():
        if row["scp_codes"]:
            cell = labels.loc[int(row["record_id"]), column]
            expected = set(cell.split(";")) if isinstance(cell, str) else set()
            # The label table was made without the leading or trailing underscore of _AVB, NST_ and others.
            assert {name.strip("_") for name in row[target]} == {name.strip("_") for name in expected}, row["record_id"]
            compared += 1
    assert compared == 488


def test_the_500_hz_version_lies_in_its_own_tree(recordings: Path):
    table = PTBXLReader(fs=500).scan(recordings / "ptbxl")
    assert set(table.frame["fs"]) == {500.0}
    assert len(table) == len(list((recordings / "ptbxl/records500").rglob("*.hea")))


def test_without_statements_the_label_table_names_the_targets_and_the_patients_stay(recordings: Path):
    reader, folder = PTBXLReader(), recordings / "ptbxl_plus" / "ptbxl"
    assert reader.recognises(folder)
    frame = reader.scan(folder).frame.set_index("record_id")
    labels = pd.read_csv(folder / "ptbxl_labels.csv").set_index("ecg_id")
    assert frame["patient_id"].notna().all()
    assert frame.loc["2008", "superclass"] == ("CD", "STTC")
    assert frame.loc["2000", "age"] == 65
    expected = {str(i): tuple(v.split(";")) if isinstance(v, str) else () for i, v in labels["super_class"].items()}
    assert {i: tuple(v) for i, v in frame["superclass"].items()} == {i: expected[i] for i in frame.index}
