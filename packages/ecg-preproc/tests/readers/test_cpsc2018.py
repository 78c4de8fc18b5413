"""CPSC 2018 as published: structures that scipy writes are read back, labels by number, damaged files and bombs refused."""

from __future__ import annotations

import re
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_core.data.leads import STANDARD_12
from ecg_core.data.prepare import prepare
from ecg_core.data.protocols import protocol_sizes
from ecg_core.data.record import Record
from ecg_core.data.source import choose_reader
from ecg_core.errors import DataError
from ecg_preproc.readers.challenge_fixtures import matlab5, write_challenge
from ecg_preproc.readers.cinc import CinCReader
from ecg_preproc.readers.cpsc2018 import CPSC2018Reader
from ecg_preproc.readers.mat5 import read_structure

X = np.random.default_rng(5).normal(0, 0.5, (12, 400)).astype(np.float32)
RECORD = Record(X, 500.0, STANDARD_12, "A0001", age=74.0, sex="M")
WHOLE = matlab5(RECORD, packed=False)


def put(folder: Path, content: bytes = WHOLE, name: str = "A0001", table: str | None = None) -> Path:
    (folder / f"{name}.mat").write_bytes(content)
    if table is not None:
        (folder / "REFERENCE.csv").write_text("Recording,First_label,Second_label,Third_label\n" + table)
    return folder


def read(folder: Path) -> Record:
    reader = CPSC2018Reader()
    table = reader.scan(folder)
    if len(table.rejects):
        raise DataError(table.rejects["reason"][0])
    return reader.read(next(table.rows()))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
def test_what_scipy_saves_is_read_back(tmp_path: Path, packed: bool, dtype: str):
    io = pytest.importorskip("scipy.io")
    data = np.rint(X * 10).astype(dtype)
    ecg = {"sex": "Female", "age": 49, "data": data, "notes": np.array([{"a": 1}], dtype=object), "empty": np.zeros((0, 0))}
    io.savemat(tmp_path / "A0001.mat", {"other": np.eye(3), "ECG": ecg}, do_compression=packed)
    record = read(tmp_path)
    np.testing.assert_array_equal(record.signal, data.astype(np.float32))
    assert (record.fs, record.leads, record.age, record.sex) == (500.0, STANDARD_12, 49.0, "F")


@pytest.mark.parametrize("packed", [True, False])
def test_what_the_fixture_writes_is_what_scipy_reads(tmp_path: Path, packed: bool):
    io = pytest.importorskip("scipy.io")
    put(tmp_path, matlab5(RECORD, packed=packed))
    ecg = io.loadmat(tmp_path / "A0001.mat")["ECG"][0, 0]
    np.testing.assert_array_equal(ecg["data"], X.astype(np.float64))
    assert (ecg["sex"].item(), ecg["age"].item()) == ("Male", 74.0)
    np.testing.assert_array_equal(read(tmp_path).signal, X)


def test_a_file_of_the_other_byte_order_is_read(tmp_path: Path):
    words = np.frombuffer(WHOLE[128:], dtype="<u4").byteswap()  # every tag; numbers and names are put right below
    content = bytearray(WHOLE[:124] + b"\x01\x00MI" + words.tobytes())
    for text in (b"ECG\0", b"sex\0", b"age\0", b"data"):
        position = WHOLE.index(text, 128)
        content[position : position + 4] = text
    at = len(WHOLE) - 8 * X.size
    content[at:] = X.astype(">f8").tobytes(order="F")
    years = WHOLE.index(np.float64(74).tobytes())
    content[years : years + 8] = np.array(74, dtype=">f8").tobytes()
    man = WHOLE.index("Male".encode("utf-16-le"))
    content[man : man + 8] = "Male".encode("utf-16-be")
    record = read(put(tmp_path, bytes(content)))
    np.testing.assert_array_equal(record.signal, X)
    assert (record.age, record.sex) == (74.0, "M")


@pytest.mark.parametrize("age", [None, -1.0, 200.0])
def test_an_age_that_is_none_is_unknown(tmp_path: Path, age: float | None):
    content = WHOLE.replace(np.float64(74).tobytes(), np.float64(np.nan if age is None else age).tobytes())
    assert read(put(tmp_path, content)).age is None


@pytest.mark.parametrize(
    ("line", "classes"),
    [
        ("A0001,5,,", ("RBBB",)), ("A0001,6,8,", ("PAC", "STD")), ("A0001,7,3,9", ("PVC", "I-AVB", "STE")),
        ("A0001,1", ("Normal",)), ("A0001,2.0,NaN,NaN\n\n", ("AF",)), ("A0001 , 4 , ,\r", ("LBBB",)),
    ],
)  # fmt: skip
def test_labels_are_the_classes_of_the_challenge_the_first_one_first(tmp_path: Path, line: str, classes: tuple[str, ...]):
    record = read(put(tmp_path, table=line))
    assert record.labels == {"dx": classes}


def test_without_a_table_there_is_no_label(tmp_path: Path):
    assert read(put(tmp_path)).labels == {}


def test_a_labelled_recording_that_is_absent_is_a_reject_and_one_without_label_has_none(tmp_path: Path):
    put(tmp_path, name="A0002")
    table = CPSC2018Reader().scan(put(tmp_path, table="A0001,1,,\nA0003,2,,"))
    assert table.frame[["record_id", "dx"]].to_numpy().tolist() == [["A0001", ("Normal",)], ["A0002", ()]]
    assert table.rejects.to_numpy().tolist() == [["A0003.mat", "REFERENCE.csv labels it, and it is not there"]]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            "A0001,10,,",
            r"REFERENCE\.csv: line 2 is 'A0001,10,,', expected a recording and one to three labels of 1 to 9, as in 'A0001",
        ),
        ("A0001,,,", "line 2 is 'A0001,,,', expected a recording"),
        ("A0001,N,,", "line 2 is 'A0001,N,,', expected a recording"),
        ("A0001,1,,\nA0001,2,,", r"REFERENCE\.csv: A0001 is labelled AF, and Normal before; keep one line"),
    ],
)
def test_a_table_that_cannot_be_understood_is_one_sentence(tmp_path: Path, table: str, said: str):
    with pytest.raises(DataError, match=said):
        CPSC2018Reader().scan(put(tmp_path, table=table))


def test_the_original_and_the_version_with_headers_have_different_readers(tmp_path: Path):
    original, headers = tmp_path / "a", tmp_path / "b"
    for folder in (original, headers):
        folder.mkdir()
    put(original, table="A0001,1,,")
    write_challenge(Record(np.round(X, 3), 500.0, STANDARD_12, "A0001"), headers, ["Dx: 426783006"])
    (headers / "REFERENCE.csv").write_text("Recording,First_label,Second_label,Third_label\nA0001,1,,\n")
    assert isinstance(choose_reader(original), CPSC2018Reader)
    assert isinstance(choose_reader(headers), CinCReader)
    assert read(original).labels["dx"] == ("Normal",)
    assert next(CinCReader().scan(headers).rows())["dx"] == ("NSR",)
    with pytest.raises(
        DataError, match="it is no MATLAB 5 file; restore it, or read files with WFDB headers beside them with the reader 'c"
    ):
        read(headers)


def test_a_part_is_the_same_numbers_and_one_outside_is_refused(tmp_path: Path):
    reader = CPSC2018Reader()
    row = next(reader.scan(put(tmp_path)).rows())
    np.testing.assert_array_equal(reader.read_part(row, 100, 150).signal, X[:, 100:150])
    with pytest.raises(DataError, match=r"A0001\.mat: samples 300 to 401 were asked for, the recording has 400"):
        reader.read_part(row, 300, 401)


def _shape(rows: int, columns: int) -> bytes:
    return np.array([rows, columns], dtype="<i4").tobytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is no MATLAB 5 file; restore it"),
        (b"MATLAB 7.3 MAT-file, Platform: x".ljust(124) + b"\x00\x02IM", "it is a MATLAB 7.3 file, which is HDF5, expected"),
        (WHOLE[:128], "it holds nothing, expected a structure 'ECG'"),
        (matlab5(RECORD, name="EEG"), "it holds 'EEG', expected a structure 'ECG'"),
        (WHOLE[:132], "it is cut in the middle of an element"),
        (WHOLE[:-100], r"an element in it declares [\d,]+ bytes where [\d,]+ are left; restore the file"),
        (WHOLE.replace(_shape(12, 400), _shape(12, 401)), "a matrix in it is 12×401 and holds 4800 numbers"),
        (WHOLE.replace(_shape(12, 400), _shape(-12, -400)), "a matrix in it is -12×-400 and holds 4800 numbers"),
        (WHOLE.replace(_shape(12, 400), _shape(400, 12)), r"its field 'data' holds numbers of the shape \(400, 12\), exp"),
        (WHOLE.replace(b"data", b"date"), "its field 'data' holds no real numbers, expected twelve leads in mV"),
        (matlab5(RECORD)[:-10], "an element in it declares"),
        (matlab5(RECORD)[:-9] + b"\xff" + matlab5(RECORD)[-8:], "a compressed element in it is damaged"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_with_its_reason(tmp_path: Path, content: bytes, said: str):
    with pytest.raises(DataError, match=said) as caught:
        read(put(tmp_path, content))
    assert str(tmp_path / "A0001.mat") in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.integers(128, len(WHOLE[:700])), st.binary(min_size=1, max_size=8), st.booleans())
def test_whatever_is_changed_in_a_file_it_is_read_or_refused_with_a_reason(position: int, change: bytes, packed: bool):
    changed = WHOLE[:position] + change + WHOLE[position + len(change) :]
    if packed:
        squeezed = zlib.compress(changed[128:])
        changed = changed[:128] + np.array([15, len(squeezed)], dtype="<u4").tobytes() + squeezed
    try:
        read_structure(changed, "ECG")
    except DataError as error:
        assert len(str(error)) > 20


def test_a_folder_is_divided_by_the_protocol_a_short_recording_moves_none_and_a_table_of_labels_wins(tmp_path: Path):
    raw = tmp_path / "raw"
    raw.mkdir()
    put(raw, table="".join(f"A{number:04d},{1 + number % 2},,\n" for number in range(1, 21)))
    for number in range(1, 21):  # the fifth is shorter than a window
        x = np.random.default_rng(number).normal(0, 0.5, (12, 300 if number == 5 else 600)).astype(np.float32)
        put(raw, matlab5(Record(x, 500.0, STANDARD_12, "A", age=50.0 + number)), name=f"A{number:04d}")
    words = {"fs": 500.0, "seconds": 1.0, "pipeline": [], "facts": False, "split": "cpsc2018"}
    store = prepare(raw, tmp_path / "store", **words)
    assert store.table["split"].value_counts().sum() == 19
    assert protocol_sizes(store).startswith("protocol cpsc2018: ")
    assert "published are 4,950 / 551 / 1,376 and 9, so numbers are not comparable" in protocol_sizes(store)
    (raw / "A0005.mat").write_bytes(matlab5(Record(np.tile(X, 2), 500.0, STANDARD_12, "A")))
    whole = prepare(raw, tmp_path / "whole", **words)
    split = dict(zip(whole.table["record_id"], whole.table["split"], strict=True))
    assert sorted(split.values()) == ["test"] * 4 + ["train"] * 14 + ["val"] * 2
    assert dict(zip(store.table["record_id"], store.table["split"], strict=True)).items() <= split.items()
    given = ["val", "test", *["train"] * 18]
    lines = [f"A{number:04d},{name}\n" for number, name in zip(range(1, 21), given, strict=True)]
    (tmp_path / "table.csv").write_text("record_id,split\n" + "".join(lines))
    taken = prepare(raw, tmp_path / "taken", labels=tmp_path / "table.csv", **words)
    assert taken.table["split"].tolist() == given
    assert (whole.facts["drawn"], taken.facts["drawn"]) == (True, False)


BOMB = """
import resource, sys
from pathlib import Path
from ecg_preproc.readers.cpsc2018 import CPSC2018Reader
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
(reason,) = CPSC2018Reader().scan(Path(sys.argv[1])).rejects["reason"]
print(reason)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (
            1 << 30,
            r"an element in it would become 1,073,741,824 bytes out of 1,0\d\d,\d{3}; no recording shrinks like that, refused",
        ),
        (1 << 26, r"a compressed element in it declares 67,108,864 bytes and holds another number; restore the file"),
        (1 << 20, r"a compressed element in it declares 1,048,576 bytes and holds another number; restore the file"),
    ],
)
def test_a_bomb_of_a_gigabyte_is_refused_before_it_goes_off_whatever_it_declares(tmp_path: Path, size: int, said: str):
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = squeeze.compress(np.array([14, size], dtype="<u4").tobytes() + WHOLE[136:300]) + squeeze.flush(zlib.Z_FULL_FLUSH)
    block = squeeze.compress(bytes(1 << 24)) + squeeze.flush(zlib.Z_FULL_FLUSH)  # stands alone, so it can be repeated
    packed = b"\x78\xda" + first + 64 * block + squeeze.flush() + bytes(4)
    put(tmp_path, WHOLE[:128] + np.array([15, len(packed)], dtype="<u4").tobytes() + packed)
    done = subprocess.run([sys.executable, "-c", BOMB, str(tmp_path)], capture_output=True, text=True, check=True)
    reason, megabytes = done.stdout.splitlines()
    assert re.search(said, reason)
    assert int(megabytes) < 100  # beside the libraries
