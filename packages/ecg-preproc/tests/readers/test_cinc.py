"""The PhysioNet/CinC Challenges: labels of 2017, diagnoses of 2020 and 2021, in every dialect of their headers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecg_core.data.leads import STANDARD_12
from ecg_core.data.record import Record
from ecg_core.data.source import choose_reader
from ecg_core.errors import DataError
from ecg_preproc.readers.challenge_fixtures import write_challenge
from ecg_preproc.readers.challenge_layout import database_of
from ecg_preproc.readers.cinc import CinCReader
from ecg_preproc.readers.comments import HeaderFacts, facts_of
from ecg_preproc.readers.snomed import diagnoses

X = (np.random.default_rng(3).integers(-900, 900, (12, 300)) / 1000).astype(np.float32)
RECORD = Record(X, 500.0, STANDARD_12, "E00001")
SINGLE = Record(X[:1], 300.0, ("ECG",), "A00001")


def only(folder: Path, reader: CinCReader | None = None) -> dict:
    table = (reader or CinCReader()).scan(folder)
    assert table.rejects["reason"].tolist() == []
    (row,) = table.rows()
    return row


@pytest.mark.parametrize(
    ("line", "classes"),
    [
        ("Dx: 164889003,426783006", ("AF", "NSR")),
        ("Dx:164889003, 426783006", ("AF", "NSR")),
        ("dx : 164889003 426783006", ("AF", "NSR")),
        ("DX:\t164889003 ,\t426783006,", ("AF", "NSR")),
        ("Dx: 164889003;426783006;164889003", ("AF", "NSR")),
        ("Dx: 164889003\n#Dx: 426783006", ("AF", "NSR")),
        ("Dx: 164889003, 999999999", ("AF", "999999999")),  # nothing is lost
        ("Dx: Unknown", ()),
        ("Dx:", ()),
        ("Rx: 164889003\n#Hx: 164889003\n#Sx: 164889003\n#Dx: NaN", ()),
    ],
)
def test_diagnoses_in_every_dialect(tmp_path: Path, line: str, classes: tuple[str, ...]):
    write_challenge(RECORD, tmp_path, line.split("\n#"))
    row = only(tmp_path)
    assert row["dx"] == classes
    assert CinCReader().read(row).labels == {"dx": classes, "database": ("georgia",)}


@pytest.mark.parametrize(
    ("said", "age"),
    [
        ("63", 63), ("063Y", 63), ("63 years", 63), ("63.5", 63.5), ("0", 0), (">89", 90), ("> 89", 90), ("89+", 89),
        ("NaN", None), ("nan", None), ("-1", None), ("300", None), ("Unknown", None), ("", None), ("6 months", None),
        ("sixty", None),
    ],
)  # fmt: skip
def test_ages_in_every_dialect(said: str, age: float | None):
    for line in (f"Age: {said}", f"Age:{said}", f"age : {said}", f"AGE:\t{said}"):
        assert facts_of([line]) == HeaderFacts(age=age)


@pytest.mark.parametrize(
    ("said", "sex"),
    [("Male", "M"), ("male", "M"), ("M", "M"), ("F", "F"), ("FEMALE", "F"), ("Unknown", None), ("", None), ("NaN", None)],
)
def test_sexes_in_every_dialect(said: str, sex: str | None):
    for line in (f"Sex: {said}", f"Sex:{said}", f"sex : {said} ", f"Gender:\t{said}"):
        assert facts_of([line]).sex == sex


@pytest.mark.parametrize(
    "gain", ["1000/mV", "1000.0(0)/mv", "1000.0/mV", "1000(0)/MV", "1e3/mV", "1/uV", "1.0(0)/\u00b5V", "1000"]
)
@pytest.mark.parametrize("dialect", ["as it is", "CRLF", "tabs", "BOM", "latin-1", "upper case", "lower case"])
def test_a_signal_is_the_same_in_every_dialect(tmp_path: Path, gain: str, dialect: str):
    leads = {"upper case": str.upper, "lower case": str.lower}.get(dialect, str)
    header = write_challenge(RECORD, tmp_path, ["Age: 63", "Sex: M\u00e4nnlich", "Dx: 164889003"], gain=gain)
    text = header.read_text(encoding="utf-8")
    for lead in STANDARD_12:
        text = text.replace(f" 0 {lead}\n", f" 0 {leads(lead)}\n")
    if dialect == "tabs":
        text = text.replace(" ", "\t")
    content = text.encode("latin-1" if dialect == "latin-1" else "utf-8-sig" if dialect == "BOM" else "utf-8")
    header.write_bytes(content.replace(b"\n", b"\r\n") if dialect == "CRLF" else content)
    row = only(tmp_path)
    assert (row["dx"], row["age"], row["leads"]) == (("AF",), 63, STANDARD_12)
    np.testing.assert_allclose(CinCReader().read(row).signal, X, atol=1e-6)


def test_a_header_without_its_checksums_is_refused_and_the_others_are_read(tmp_path: Path):
    write_challenge(RECORD, tmp_path, ["Dx: 164889003"])
    header = write_challenge(replace(RECORD, record_id="E00002"), tmp_path, ["Dx: 164889003"])
    lines = header.read_text().splitlines()
    header.write_text("\n".join(" ".join([*line.split()[:5], line.split()[-1]]) if ".mat" in line else line for line in lines))
    table = CinCReader().scan(tmp_path)
    assert table.frame["record_id"].tolist() == ["E00001"]
    assert "signal 1: the line has 6 of 9 fields" in table.rejects["reason"][0]


def test_codes_or_abbreviations_are_a_choice(tmp_path: Path):
    write_challenge(RECORD, tmp_path, ["Dx: 164889003,59118001,123"])
    assert only(tmp_path)["dx"] == ("AF", "CRBBB", "123")
    assert only(tmp_path, CinCReader(codes="snomed"))["dx"] == ("164889003", "713427006", "123")
    assert only(tmp_path, CinCReader(codes="snomed", scoring=None))["dx"] == ("164889003", "59118001", "123")


@pytest.mark.parametrize(
    ("scoring", "classes"),
    [
        ("2021", ("CRBBB", "PAC", "PVC", "CLBBB")),
        ("2020", ("CRBBB", "PAC", "PVC", "LBBB", "CLBBB")),
        (None, ("RBBB", "CRBBB", "SVPB", "PAC", "VPB", "PVC", "LBBB", "CLBBB")),
    ],
)
def test_what_a_challenge_scored_as_one_becomes_one(tmp_path: Path, scoring: str | None, classes: tuple[str, ...]):
    pairs = ["59118001", "713427006", "63593006", "284470004", "17338001", "427172004", "164909002", "733534002"]
    write_challenge(RECORD, tmp_path, [f"Dx: {','.join(pairs)}"])
    assert only(tmp_path, CinCReader(scoring=scoring))["dx"] == classes  # type: ignore[arg-type]


@pytest.mark.parametrize(("scoring", "classes"), [("2021", ("BBB", "CLBBB", "NSR")), ("2020", ("LBBB", "NSR"))])
def test_only_what_was_scored_stays_when_asked_for(tmp_path: Path, scoring: str, classes: tuple[str, ...]):
    # Bundle branch block and complete left bundle branch block were scored in 2021 only, ST elevation never; 77 is no code.
    write_challenge(RECORD, tmp_path, ["Dx: 6374002,164909002,733534002,426783006,164931005,77"])
    assert only(tmp_path, CinCReader(scoring=scoring, scored_only=True))["dx"] == classes  # type: ignore[arg-type]


def test_the_table_has_the_133_codes_of_which_27_and_30_were_scored_in_24_and_26_classes():
    table = diagnoses()
    assert len(table) == len({d.abbreviation for d in table.values()}) == 133
    scored = {year: [d for d in table.values() if year in d.scored] for year in ("2020", "2021")}
    assert {year: len(some) for year, some in scored.items()} == {"2020": 27, "2021": 30}
    reader = {year: CinCReader(scoring=year, scored_only=True) for year in ("2020", "2021")}  # type: ignore[arg-type]
    assert {year: len(reader[year]._classes(tuple(table))) for year in reader} == {"2020": 24, "2021": 26}
    assert all(code.isdigit() and table[d.scored_as].scored_as == d.scored_as for code, d in table.items())


@pytest.mark.parametrize(
    ("path", "database"),
    [
        ("training2017/A00001", "cinc2017"), ("A0001", "cpsc"), ("WFDB/Q3581", "cpsc_extra"), ("I0001", "incart"),
        ("training/ptb/g1/S0549", "ptb"), ("HR21837", "ptb_xl"), ("training/georgia/g1/E00001", "georgia"),
        ("JS00001", "chapman_shaoxing"), ("JS10646", "chapman_shaoxing"), ("JS10647", "ningbo"), ("JS45551", "ningbo"),
        ("training/st_petersburg_incart/g1/x1", "incart"), ("training/ptb-xl/g1/x1", "ptb_xl"), ("WFDB_Ga/x", "georgia"),
        ("training/cpsc_2018/g1/x", "cpsc"), ("cpsc_2018_extra/x", "cpsc_extra"), ("mine/x", None), ("E1", None),
    ],
)  # fmt: skip
def test_where_a_recording_comes_from_is_told_by_its_name_else_by_its_folder(path: str, database: str | None):
    assert database_of(path) == database


def test_a_recording_from_elsewhere_states_no_database(tmp_path: Path):
    write_challenge(replace(RECORD, record_id="p7"), tmp_path, ["Dx: 164889003"])
    assert only(tmp_path)["database"] == ()


def references(folder: Path, **tables: str) -> list[dict]:
    """Two recordings of 2017 in a folder of their own, and tables beside it and above it."""
    place = folder / "training" / "A00"
    place.mkdir(parents=True)
    for name in ("A00001", "A00002"):
        write_challenge(replace(SINGLE, record_id=name), place, gain="1000/mV")
    for name, text in tables.items():
        (folder / "training" / f"{name.replace('_', '-')}.csv").write_text(text)
    return list(CinCReader().scan(folder).rows())


@pytest.mark.parametrize(
    "table",
    ["A00001,N\nA00002,~\n", "record,label\nA00001,N\r\nA00002,~\r\n", "\ufeffA00/A00001,N\nA00/A00002, ~\n\n"],
)
def test_labels_of_2017_come_from_the_table_however_it_is_written(tmp_path: Path, table: str):
    rows = references(tmp_path, REFERENCE=table)
    assert [row["dx"] for row in rows] == [("N",), ("~",)]
    assert [row["database"] for row in rows] == [("cinc2017",)] * 2
    assert [row["record_id"] for row in rows] == ["A00001", "A00002"]


def test_the_latest_version_of_the_labels_counts(tmp_path: Path):
    tables = {"REFERENCE": "A00001,O", "REFERENCE_v0": "A00001,~\nA00002,N", "REFERENCE_v3": "A00001,A"}
    assert [row["dx"] for row in references(tmp_path, **tables)] == [("A",), ("N",)]


def test_without_a_table_recordings_of_2017_are_read_and_have_no_label(tmp_path: Path):
    rows = references(tmp_path)
    assert ["dx" in row for row in rows] == [False, False]
    assert CinCReader().read(rows[0]).labels == {"database": ("cinc2017",)}
    assert isinstance(choose_reader(tmp_path), CinCReader)


def test_one_without_a_line_has_no_label_and_a_line_without_one_is_a_reject(tmp_path: Path):
    assert [row["dx"] for row in references(tmp_path, REFERENCE="A00001,N\nA00009,N")] == [("N",), ()]
    rejects = CinCReader().scan(tmp_path).rejects.to_numpy().tolist()
    assert rejects == [["A00009.hea", "REFERENCE*.csv labels it, and it is not there"]]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"REFERENCE": "A00001,X"}, r"REFERENCE\.csv: line 1 is 'A00001,X', expected a recording and one of N, A, O, ~, as in"),
        ({"REFERENCE": "A00001,N\nA00002"}, r"REFERENCE\.csv: line 2 is 'A00002', expected a recording and one of"),
        ({"REFERENCE": "A00001,N\nA00001,O"}, r"A00001 is labelled O, and N in .*REFERENCE\.csv; remove one of the two"),
    ],
)
def test_a_table_that_contradicts_itself_or_holds_other_labels_is_refused(tmp_path: Path, tables: dict[str, str], said: str):
    with pytest.raises(DataError, match=said):
        references(tmp_path, **tables)


def test_the_same_name_in_two_folders_is_told_apart_by_its_path(tmp_path: Path):
    for place in ("training", "validation"):
        (tmp_path / place).mkdir()
        write_challenge(SINGLE, tmp_path / place, gain="1000/mV")
        (tmp_path / place / "REFERENCE.csv").write_text("A00001,N")
    table = CinCReader().scan(tmp_path)
    assert table.frame["record_id"].tolist() == ["training/A00001", "validation/A00001"]
    assert table.frame["dx"].tolist() == [("N",), ("N",)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"codes": "icd"}, "codes are 'abbreviation' or 'snomed', got 'icd'"),
        ({"scoring": "2019"}, "scoring is '2021', '2020' or None, got '2019'"),
        ({"scoring": None, "scored_only": True}, "scored_only needs the challenge that scored; give scoring='2021' or '2020'"),
    ],
)
def test_arguments_are_checked(arguments: dict, said: str):
    with pytest.raises(DataError, match=said):
        CinCReader(**arguments)


def test_a_folder_without_headers_is_named(tmp_path: Path):
    with pytest.raises(
        DataError, match=r"no WFDB header \(\*\.hea\) in it or below it; give a folder of a PhysioNet/CinC Challenge"
    ):
        CinCReader().scan(tmp_path)
    with pytest.raises(DataError, match="absent: no such folder; give"):
        CinCReader().scan(tmp_path / "absent")


@pytest.mark.parametrize(
    ("name", "comments", "known"),
    [
        ("x1", ["Dx: 164889003"], True), ("x1", ["Dx: AFIB"], False), ("x1", ["Age: 63", "Sex: M"], False), ("x1", [], False),
        ("E00001", ["Dx: Unknown"], False), ("x1", ["Rx: 164889003"], False),
    ],
)  # fmt: skip
def test_coded_diagnoses_are_what_it_is_recognised_by(tmp_path: Path, name: str, comments: list[str], known: bool):
    write_challenge(replace(RECORD, record_id=name), tmp_path, comments)
    assert CinCReader().recognises(tmp_path) is known


def test_one_coded_recording_among_others_makes_no_challenge(tmp_path: Path):
    for name, dx in (("a", "AFIB"), ("b", "164889003"), ("c", "NORM")):
        write_challenge(replace(RECORD, record_id=name), tmp_path, [f"Dx: {dx}"])
    assert not CinCReader().recognises(tmp_path)


def test_real_recordings_of_2017_have_the_labels_of_the_table(recordings: Path):
    reader = choose_reader(recordings / "cinc2017")
    assert isinstance(reader, CinCReader)
    table = reader.scan(recordings / "cinc2017")
    stated = pd.read_csv(recordings / "cinc2017" / "REFERENCE-v3.csv").set_index("record")["label"]
    assert len(table) == len(stated) == 470
    assert Counter(dx for (dx,) in table.frame["dx"]) == Counter(stated) == {"N": 280, "A": 42, "O": 133, "~": 15}
    row = next(table.rows())
    assert (stated[row["record_id"]],) == row["dx"]
    assert reader.read(row).signal.shape == (1, 9000)


def test_every_code_of_real_recordings_of_2021_is_in_the_table(recordings: Path):
    folder = recordings / "cinc2021"
    reader = choose_reader(folder)
    assert isinstance(reader, CinCReader)
    table, codes = reader.scan(folder), CinCReader(codes="snomed", scoring=None).scan(folder)
    assert not [c for classes in table.frame["dx"] for c in classes if c.isdigit()]
    # Counted in the headers with grep, independently of the reader.
    assert Counter(c for classes in codes.frame["dx"] for c in classes).most_common(3) == [
        ("427084000", 23), ("284470004", 20), ("426783006", 15),
    ]  # fmt: skip
    assert Counter(d for (d,) in table.frame["database"]) == {"georgia": 20, "ptb_xl": 10, "ningbo": 20}
    assert set(table.frame["sex"]) == {"F", "M"}
    rows = list(table.rows())
    assert {reader.read(row).leads for row in rows} == {STANDARD_12}
    # Premature beats are in one of the databases only, which is why it is a target of its own.
    assert {row["database"] for row in rows if "PAC" in row["dx"]} == {("ningbo",)}
