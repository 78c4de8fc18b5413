"""HL7 aECG, SCP-ECG and MUSE: what carts export is read to the microvolt, and what ecgdatakit would only warn of is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ecg_core.data.record import Record
from ecg_core.errors import DataError, MissingExtraError
from ecg_preproc.readers.exports import AECGReader, MuseReader, SCPReader

pytest.importorskip("ecgdatakit")

from ecg_preproc.readers.export_fixtures import aecg_of, muse_of, scp_of

EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
X = np.random.default_rng(0).normal(0, 0.5, (8, 600)).clip(-4, 4).astype(np.float32)
RECORD = Record(X, 500.0, EIGHT, "r", "p7", 63.0, "F")
ALL = [(AECGReader, aecg_of, ".xml", 1e-3), (MuseReader, muse_of, ".xml", 4.88e-3), (SCPReader, scp_of, ".scp", 1e-3)]


def read(reader, folder):
    table = reader.scan(folder)
    if len(table.rejects):
        raise DataError(table.rejects["reason"].iloc[0])
    return reader.read(next(table.rows()))


@pytest.mark.parametrize(("reader", "encode", "suffix", "step"), ALL)
def test_amplitudes_names_and_the_patient_come_back(tmp_path, reader, encode, suffix, step):
    (tmp_path / f"r{suffix}").write_bytes(encode(RECORD))
    record = read(reader(), tmp_path)
    assert np.abs(record.select_leads(EIGHT).signal - X).max() <= 0.51 * step
    assert (record.fs, record.patient_id, record.age, record.sex) == (500.0, "p7", 63.0, "F")


def test_muse_leads_that_follow_from_two_are_given(tmp_path):
    (tmp_path / "r.xml").write_bytes(muse_of(RECORD))
    record = read(MuseReader(), tmp_path)
    assert record.leads[2:6] == ("III", "aVR", "aVL", "aVF")
    np.testing.assert_allclose(record.signal[2], record.signal[1] - record.signal[0], atol=1e-6)


@pytest.mark.parametrize(("reader", "encode", "suffix", "step"), ALL)
def test_a_part_is_the_same_numbers(tmp_path, reader, encode, suffix, step):
    (tmp_path / f"r{suffix}").write_bytes(encode(RECORD))
    row = next(reader().scan(tmp_path).rows())
    np.testing.assert_array_equal(reader().read_part(row, 100, 250).signal, reader().read(row).signal[:, 100:250])
    with pytest.raises(DataError, match="samples 500 to 700 were asked for, the recording has 600"):
        reader().read_part(row, 500, 700)


def test_xml_of_the_other_kind_is_left_to_the_other_reader(tmp_path):
    (tmp_path / "a.xml").write_bytes(aecg_of(RECORD))
    (tmp_path / "m.xml").write_bytes(muse_of(RECORD))
    (tmp_path / "z.xml").write_text("<html><body>no ECG</body></html>")
    assert AECGReader().scan(tmp_path).frame["record_id"].tolist() == ["a"]
    assert MuseReader().scan(tmp_path).frame["record_id"].tolist() == ["m"]


def test_a_flipped_bit_of_scp_is_found_by_its_checksum(tmp_path):
    content = bytearray(scp_of(RECORD))
    content[-50] ^= 1
    (tmp_path / "r.scp").write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"it was altered \(SCP-ECG CRC mismatch in: record, Section 6\); export it again"):
        read(SCPReader(), tmp_path)


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE AnnotatedECG [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(8))
    + "]><AnnotatedECG>&i;</AnnotatedECG>"
)
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE AnnotatedECG [<!ENTITY x SYSTEM "file:///etc/passwd">]><AnnotatedECG>&x;</AnnotatedECG>'


@pytest.mark.parametrize("text", [BOMB, OUTSIDE])
def test_entities_are_neither_expanded_nor_followed(tmp_path, text):
    (tmp_path / "r.xml").write_text(text)
    with pytest.raises(DataError, match="it cannot be read .*entit"):
        read(AECGReader(), tmp_path)


@pytest.mark.parametrize(
    ("reader", "content", "said"),
    [
        (
            MuseReader,
            muse_of(RECORD).replace(b"MICROVOLTS", b"FURLONGS"),
            "states no unit of voltage, so its numbers",
        ),
        (AECGReader, aecg_of(RECORD)[:3000], "it cannot be read .*; export it again"),
        (SCPReader, scp_of(RECORD)[:3000], "it cannot be read .*; export it again"),
        (SCPReader, b"x" * 5000, "it cannot be read .*; export it again"),
    ],
)
def test_what_is_no_sound_export_is_refused_in_a_sentence(tmp_path, reader, content, said):
    (tmp_path / f"r{reader.suffixes[0]}").write_bytes(content)
    with pytest.raises(DataError, match=said):
        read(reader(), tmp_path)


def test_without_ecgdatakit_the_install_line_is_said(tmp_path, monkeypatch):
    (tmp_path / "r.xml").write_bytes(aecg_of(RECORD))
    monkeypatch.setitem(sys.modules, "ecgdatakit.exceptions", None)
    with pytest.raises(MissingExtraError, match=r"needs ecgdatakit: pip install 'ecg-preproc\[formats\]'"):
        AECGReader().scan(tmp_path)
