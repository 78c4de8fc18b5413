"""Signals: bit-equal to the wfdb package, written so that it reads them, and refused when damaged."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_core.data.record import Record
from ecg_core.errors import DataError
from ecg_preproc.readers.formats import decode_212
from ecg_preproc.readers.wfdb import WFDBReader
from ecg_preproc.readers.write import write_record

with warnings.catch_warnings():  # wfdb 4.3.1 uses what pandas 3 deprecates
    warnings.simplefilter("ignore")
    import wfdb


def read(folder: Path, **options: bool) -> Record:
    return WFDBReader(**options).read({"root": str(folder), "path": "a", "record_id": "a"})


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_written_record_is_read_back_exactly_by_us(folder: Path, record: Record):
    (row,) = WFDBReader().scan(folder).rows()
    again = WFDBReader().read(row)
    np.testing.assert_array_equal(again.signal, record.signal)
    for fact in ("fs", "leads", "record_id", "patient_id", "age", "sex", "labels"):
        assert getattr(again, fact) == getattr(record, fact), fact


def test_a_written_record_is_read_back_exactly_by_the_wfdb_package(folder: Path, record: Record):
    theirs = wfdb.rdrecord(str(folder / "a"))
    np.testing.assert_array_equal(theirs.p_signal.T.astype(np.float32), record.signal)
    assert (theirs.fs, theirs.sig_name, theirs.units) == (100, ["I", "II", "V1"], ["mV"] * 3)
    assert theirs.comments == ["Age: 63", "Sex: Female", "Patient: p1", "Dx: AFIB,CLBBB"]
    digital = wfdb.rdrecord(str(folder / "a"), physical=False)
    assert digital.init_value == digital.d_signal[0].tolist()
    assert [total % 65536 for total in digital.checksum] == digital.calc_checksum()


def test_a_missing_sample_stays_missing(tmp_path: Path):
    signal = np.array([[0.0, np.nan, 1.0]], np.float32)
    write_record(Record(signal, 100, ("I",), "a"), tmp_path)
    np.testing.assert_array_equal(read(tmp_path).signal, signal)
    np.testing.assert_array_equal(wfdb.rdrecord(str(tmp_path / "a")).p_signal.T, signal)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"record_id": "../a"}, "record_id must be letters, digits, '_' and '-'"),
        ({"record_id": ""}, "record_id must be letters"),
        ({"signal": np.full((3, 2), 40.0)}, "lead I leaves ±32.767 mV, all that 16 bits hold at a gain of 1000"),
        ({"signal": np.full((3, 2), np.inf)}, "lead I leaves ±32.767 mV"),
        ({"signal": np.zeros((3, 0))}, "has no samples; there is nothing to write"),
        ({"leads": ("I", "II", "V\n1")}, "must be single lines"),
    ],
)
def test_what_wfdb_cannot_hold_is_not_written(tmp_path: Path, record: Record, change: dict, message: str):
    facts = {"signal": record.signal, "fs": 100, "leads": record.leads, "record_id": "a", **change}
    with pytest.raises(DataError, match=message):
        write_record(Record(**facts), tmp_path)
    assert not list(tmp_path.iterdir())


def test_gain_must_be_positive(tmp_path: Path, record: Record):
    with pytest.raises(DataError, match="gain must be a positive number of ADC units per mV, got 0"):
        write_record(record, tmp_path, gain=0)


@given(st.lists(st.integers(-2048, 2047), min_size=1, max_size=41))
def test_format_212_is_two_samples_in_three_bytes(samples: list[int]):
    packed = bytearray()
    for first, second in zip(samples[0::2], [*samples[1::2], 0], strict=False):
        packed += bytes([first & 0xFF, (first >> 8 & 0xF) | (second >> 8 & 0xF) << 4, second & 0xFF])
    assert decode_212(bytes(packed), len(samples)).tolist() == samples
    if len(samples) % 2:  # the last byte of an odd count holds nothing and may be absent
        assert decode_212(bytes(packed[:-1]), len(samples)).tolist() == samples


def test_the_invalid_sample_of_format_212_is_nan(tmp_path: Path):
    (tmp_path / "a.hea").write_text("a 1 360 2\na.dat 212 200 12 0 0 0 0 MLII\n")
    (tmp_path / "a.dat").write_bytes(bytes([0x00, 0x08 | 0x00, 200]))  # -2048, then 200
    np.testing.assert_array_equal(read(tmp_path).signal, [[np.nan, 1.0]])


def test_an_absent_length_is_taken_from_the_file(folder: Path, record: Record):
    edit(folder / "a.hea", "a 3 100 200", "a 3 100")
    np.testing.assert_array_equal(read(folder).signal, record.signal)


def test_signals_in_two_files_are_put_together(folder: Path, record: Record):
    raw = np.fromfile(folder / "a.dat", "<i2").reshape(200, 3)
    raw[:, 2].tofile(folder / "b.dat")
    raw[:, :2].tofile(folder / "a.dat")
    lines = (folder / "a.hea").read_text().splitlines()
    (folder / "a.hea").write_text("\n".join([*lines[:3], lines[3].replace("a.dat", "b.dat")]) + "\n")
    np.testing.assert_array_equal(read(folder).signal, record.signal)


def test_one_flipped_bit_is_noticed_and_can_be_read_on_demand(folder: Path, record: Record):
    content = bytearray((folder / "a.dat").read_bytes())
    content[600] ^= 4
    (folder / "a.dat").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.hea: the samples of lead I in 'a\.dat' sum to \d+, the header's checksum is \d+"):
        read(folder)
    assert (read(folder, checksum=False).signal != record.signal).sum() == 1


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (1199, "'a.dat' has 1199 bytes, expected 1200 .* the file is cut"),
        (0, "has 0 bytes, expected 1200"),
        (1201, "has 1201 bytes, expected 1200 .* the header or the file is wrong"),
    ],
)
def test_a_file_of_another_size_than_the_header_says_is_refused(folder: Path, size: int, message: str):
    content = (folder / "a.dat").read_bytes() + b"\0"
    (folder / "a.dat").write_bytes(content[:size])
    with pytest.raises(DataError, match=message):
        read(folder)
    assert WFDBReader().scan(folder).rejects["path"].tolist() == ["a.hea"]


@pytest.mark.parametrize("length", ["199", "201", "1000000000000", "999999999999999999"])
def test_a_header_of_another_length_than_the_file_is_refused_without_allocating(folder: Path, length: str):
    edit(folder / "a.hea", "a 3 100 200", f"a 3 100 {length}")
    with pytest.raises(DataError, match=rf"has 1200 bytes, expected \d+ for 3 signal\(s\) of {length} samples in format 16"):
        read(folder)


def test_an_empty_file_has_no_length_to_infer(folder: Path):
    edit(folder / "a.hea", "a 3 100 200", "a 3 100")
    (folder / "a.dat").write_bytes(b"")
    with pytest.raises(DataError, match=r"'a\.dat' holds no samples \(0 bytes\)"):
        read(folder)


def test_a_missing_signal_file_is_named(folder: Path):
    (folder / "a.dat").unlink()
    with pytest.raises(DataError, match=r"a\.hea: there is no file 'a\.dat'; restore it"):
        read(folder)


def test_a_pipe_is_refused_and_not_waited_for(folder: Path):
    (folder / "a.dat").unlink()
    os.mkfifo(folder / "a.dat")
    os.mkfifo(folder / "b.hea")
    with pytest.raises(DataError, match=r"'a\.dat' is not a regular file"):
        read(folder)
    assert WFDBReader().scan(folder).rejects["path"].tolist() == ["a.hea", "b.hea"]


def test_a_link_may_not_leave_the_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret.dat"
    (folder / "a.dat").rename(elsewhere)
    (folder / "a.dat").symlink_to(elsewhere)
    with pytest.raises(DataError, match=r"'a\.dat' is a link that leaves .*; copy the file there instead"):
        read(folder)
    elsewhere.rename(folder / "inside.dat")
    (folder / "a.dat").unlink()
    (folder / "a.dat").symlink_to("inside.dat")
    assert read(folder).n_samples == 200


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "x/../../a", "C:\\a", "..\\a", "a\0b"])
def test_a_row_cannot_lead_out_of_its_root(folder: Path, path: str):
    with pytest.raises(DataError, match=r"does not lead to a place below .*; refused for safety"):
        WFDBReader().read({"root": str(folder), "path": path, "record_id": "a"})


def test_a_matlab_file_must_be_what_the_header_says(tmp_path: Path):
    (tmp_path / "a.hea").write_text("a 2 300 3\na.mat 16+24 1000/mV 16 0 1 0 0 I\na.mat 16+24 1000/mV 16 0 4 0 0 II\n")
    body = np.arange(1, 7, dtype="<i2").tobytes()
    (tmp_path / "a.mat").write_bytes(np.array([30, 2, 3, 0, 4], "<i4").tobytes() + b"val\0" + body)
    np.testing.assert_array_equal(read(tmp_path).signal, np.float32([[0.001, 0.003, 0.005], [0.002, 0.004, 0.006]]))
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0 MAT-file nope" + body)
    with pytest.raises(DataError, match=r"'a\.mat' is not a MATLAB 4 file of 2 x 3 16-bit integers"):
        read(tmp_path)


def test_signals_of_one_file_must_stand_together_and_agree(folder: Path):
    text = (folder / "a.hea").read_text()
    first, one, two, three, *_ = text.splitlines()
    (folder / "a.hea").write_text("\n".join([first, one, two.replace("a.dat", "b.dat"), three]))
    with pytest.raises(DataError, match="signals of one file do not stand together in the header"):
        read(folder)
    (folder / "a.hea").write_text("\n".join([first, one, two.replace(" 16 1000", " 212 1000"), three]))
    with pytest.raises(DataError, match=r"signals of 'a\.dat' differ in format or offset"):
        read(folder)


@pytest.mark.parametrize(
    "pattern",
    [
        "mitdb/10*.hea",
        "nstdb/bw.hea",
        "ptbxl/records100/*/0000*.hea",
        "ptbxl/records500/*/0000*.hea",
        "cinc2011_seta/10*.hea",
        "cinc2017/A000*.hea",
        "cinc2021/*01?.hea",
        "ludb/data/1?.hea",
        "ecgid/Person_0?/rec_1.hea",
    ],
)
def test_real_signals_equal_the_wfdb_package_bit_for_bit(recordings: Path, pattern: str):
    headers = sorted(recordings.glob(pattern))[:6]
    assert headers, pattern
    for header in headers:
        ours = WFDBReader().read({"root": str(header.parent), "path": header.stem, "record_id": header.stem})
        theirs = wfdb.rdrecord(str(header.with_suffix("")), physical=True)
        assert [name.casefold() for name in ours.leads] == [name.casefold() for name in theirs.sig_name]
        assert ours.fs == theirs.fs
        np.testing.assert_array_equal(ours.signal, theirs.p_signal.T.astype(np.float32), err_msg=str(header))
