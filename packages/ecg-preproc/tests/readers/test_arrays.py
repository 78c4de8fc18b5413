"""Arrays and tables: what the file states is read, what it does not state must be said, and nothing is guessed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecg_core.errors import DataError
from ecg_preproc.readers.arrays import ArrayReader

LEADS = ("I", "II", "V1")
X = np.random.default_rng(0).normal(size=(3, 200))


def only(reader: ArrayReader, folder: Path):
    (row,) = reader.scan(folder).rows()
    return reader.read(row)


def reason(reader: ArrayReader, folder: Path) -> str:
    table = reader.scan(folder)
    assert len(table) == 0
    return table.rejects["reason"].iloc[0]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.uint8, ">f8", ">i2"])
@pytest.mark.parametrize(("axes", "lie"), [("leads,samples", lambda x: x), ("samples,leads", np.transpose)])
def test_a_npy_file_is_the_signal_in_the_stated_unit(tmp_path, dtype, axes, lie):
    x = (100 * np.abs(X)).astype(dtype)
    np.save(tmp_path / "r.npy", lie(x))
    record = only(ArrayReader(fs=250, leads=LEADS, unit="uV", axes=axes), tmp_path)
    np.testing.assert_allclose(record.signal, x.astype(float) / 1000, rtol=1e-6)
    assert (record.fs, record.leads, record.record_id) == (250.0, LEADS, "r")


def test_fortran_order_and_one_dimension_are_fine(tmp_path):
    np.save(tmp_path / "f.npy", np.asfortranarray(X))
    assert np.allclose(only(ArrayReader(fs=250, leads=LEADS), tmp_path).signal, X, atol=1e-6)
    np.save(tmp_path / "f.npy", X[0])
    assert np.allclose(only(ArrayReader(fs=250, leads=("ECG",)), tmp_path).signal, X[:1], atol=1e-6)


def test_an_archive_states_its_own_rate_and_leads(tmp_path):
    np.savez(tmp_path / "r.npz", signal=X, fs=400, leads=np.array(["AVR", "mlii", "v1"]))
    record = only(ArrayReader(), tmp_path)
    assert (record.fs, record.leads) == (400.0, ("aVR", "MLII", "V1"))


@pytest.mark.parametrize("name", ["r.csv", "r.parquet"])
def test_a_table_has_a_column_for_each_lead_and_a_time_axis(tmp_path, name):
    frame = pd.DataFrame(dict(zip(LEADS, X, strict=True))).assign(time=np.arange(200) / 300)
    if name.endswith("csv"):
        frame.round(6).to_csv(tmp_path / name, index=False)
    else:
        pytest.importorskip("pyarrow")
        frame.to_parquet(tmp_path / name)
    record = only(ArrayReader(), tmp_path)
    assert (record.fs, record.leads) == (300.0, LEADS)
    np.testing.assert_allclose(record.signal, X, atol=1e-6)


def test_files_of_one_name_in_several_folders_are_told_apart(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "r.npy", X)
    table = ArrayReader(fs=1, leads=LEADS).scan(tmp_path)
    assert table.frame["record_id"].tolist() == ["a/r", "b/r"]


def test_a_part_is_the_same_numbers(tmp_path):
    np.save(tmp_path / "r.npy", X)
    reader = ArrayReader(fs=250, leads=LEADS)
    (row,) = reader.scan(tmp_path).rows()
    assert (reader.read_part(row, 17, 90).signal == reader.read(row).signal[:, 17:90]).all()
    with pytest.raises(DataError, match="samples 10 to 201 were asked for, the recording has 200"):
        reader.read_part(row, 10, 201)


def test_a_table_of_labels_is_no_recording(tmp_path):
    pd.DataFrame({"record_id": ["r1"], "dx": ["AF"]}).to_csv(tmp_path / "labels.csv", index=False)
    assert not ArrayReader().recognises(tmp_path)
    np.savez(tmp_path / "r1.npz", signal=X, fs=100, leads=np.array(LEADS))
    assert len(ArrayReader().scan(tmp_path)) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"leads": LEADS}, "the file does not state its sampling frequency; give the reader fs=…"),
        ({"fs": 100}, "the file does not name its 3 lead.s.; give the reader leads=…"),
        ({"fs": 100, "leads": ("I",)}, "1 lead names for an array of 3 lead.s. and 200 samples; name each lead once"),
        ({"fs": 100, "leads": LEADS, "axes": "samples,leads"}, "the axes seem to be swapped: give the reader axes=…"),
    ],
)
def test_what_the_file_does_not_state_must_be_said(tmp_path, words, said):
    np.save(tmp_path / "r.npy", X)
    table = ArrayReader(**words).scan(tmp_path)
    assert len(table) == 0
    with pytest.raises(DataError, match=said):
        raise DataError(table.rejects["reason"].iloc[0])


def write_bomb(file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("signal.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (1, 60_000_000)})
        for _ in range(480):
            member.write(bytes(1_000_000))


def pickled(file: Path) -> None:
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)


HUGE = b"{'descr': '<f8', 'fortran_order': False, 'shape': (10, 99999999999)}"


def parquet_bomb(file: Path) -> None:
    pytest.importorskip("pyarrow")
    pd.DataFrame({"I": np.zeros(30_000_000)}).to_parquet(file, compression="zstd")


BAD = {
    "bomb.parquet": (parquet_bomb, "the table would become 240,000,000 bytes out of .*; no recording shrinks like that"),
    "text.parquet": (lambda f: f.write_text("hello"), "it cannot be read as a table"),
    "objects.npy": (pickled, "it is no sound NumPy file"),
    "cut.npy": (lambda f: f.write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'"), "it is no sound NumPy file"),
    "huge.npy": (lambda f: f.write_bytes(b"\x93NUMPY\x01\x00\x56\x00" + HUGE.ljust(85) + b"\n"), "it is no sound NumPy file"),
    "text.npy": (lambda f: f.write_text("hello"), "it is no sound NumPy file"),
    "words.npy": (lambda f: np.save(f, np.array([["a", "b"], ["c", "d"], ["e", "f"]])), "expected real numbers"),
    "complex.npy": (lambda f: np.save(f, X.astype(complex)), "the array holds complex128, expected real numbers in mV"),
    "nan.npy": (lambda f: np.save(f, X * np.nan), "the array holds no finite number"),
    "cube.npy": (lambda f: np.save(f, np.zeros((2, 3, 4))), "expected .leads, samples.; store one recording per file"),
    "bomb.npz": (write_bomb, "would become .* bytes out of .*; no recording shrinks like that, refused for safety"),
    "text.npz": (lambda f: f.write_text("hello"), "it is no sound .npz file"),
    "many.npz": (lambda f: np.savez(f, a=X, b=X), "it holds a, b, expected the array 'signal'"),
    "rate.npz": (lambda f: np.savez(f, signal=X, fs=-1.0), "its 'fs' is .*, expected one positive number of Hz"),
    "other.npz": (lambda f: np.savez(f, signal=X, fs=200.0), "the file states 200 Hz, the reader was told 100 Hz; correct one"),
    "names.npz": (lambda f: np.savez(f, signal=X, leads=np.arange(3)), "its 'leads' are int64, expected names"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_recording_is_refused_in_a_sentence(tmp_path, name):
    write, said = BAD[name]
    write(tmp_path / name)
    reader = ArrayReader(fs=100, leads=LEADS)
    table = reader.scan(tmp_path)
    with pytest.raises(DataError, match=said):
        if len(table.rejects):
            raise DataError(table.rejects["reason"].iloc[0])
        reader.read(next(table.rows()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time,I\n0,1\n0.1,2\n0.5,3\n", "the times in the column 'time' do not grow evenly"),
        ("0.1,0.2\n0.3,0.4\n0.5,0.6\n", "the first line holds the number 0.1, expected the names of the leads"),
        ("I,i\n1,2\n3,4\n", "lead names must be unique"),
        ("I,II\n1,2\n3,4\n5", "the last line is incomplete, so the file is cut; restore it"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_a_sentence(tmp_path, text, said):
    (tmp_path / "r.csv").write_text(text)
    reader = ArrayReader(fs=None if "time" in text else 100)
    with pytest.raises(DataError, match=said):
        raise DataError(reason(reader, tmp_path))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"fs": -1}, "fs must be a positive number of Hz, got -1"),
        ({"unit": "mmHg"}, "the unit is 'mmHg', expected mV, uV, nV or V"),
        ({"axes": "time"}, "axes are 'leads,samples' or 'samples,leads', got 'time'"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(words, said):
    with pytest.raises(DataError, match=said):
        ArrayReader(**words)
