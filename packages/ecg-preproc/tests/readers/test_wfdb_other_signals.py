"""WFDB records that hold blood pressure or respiration beside an ECG: the ECG is that of the wfdb package, the rest is named."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from ecg_core.errors import ContentWarning, DataError
from ecg_preproc.readers.fixtures import ptbxl_example
from ecg_preproc.readers.header import parse_header
from ecg_preproc.readers.ptbxl import PTBXLReader
from ecg_preproc.readers.wfdb import WFDBReader

with warnings.catch_warnings():  # wfdb 4.3.1 uses what pandas 3 deprecates
    warnings.simplefilter("ignore")
    import wfdb

SIGNALS = (("ABP", "20(7)/mmHg"), ("II", "1000(3)/mV"), ("RESP", "500/NU"), ("V1", "2/uV"))
FRAMES = 60


def written(folder: Path, name: str, form: str = "16", per_frame: tuple[int, ...] = (1, 1, 1, 1), skew: str = "") -> None:
    """One record with samples of its own, checksums included."""
    rng = np.random.default_rng(len(name) + sum(per_frame))
    samples = rng.integers(-900, 900, (FRAMES, sum(per_frame)))
    places = np.split(samples, np.cumsum(per_frame)[:-1], axis=1)
    lines = [f"{name} 4 250 {FRAMES}"]
    for place, k, (lead, gain) in zip(places, per_frame, SIGNALS, strict=True):
        late = skew if lead == "II" else ""
        lines.append(f"{name}.dat {form}x{k}{late} {gain} 12 0 {place[0, 0]} {int(place.sum()) & 0xFFFF} 0 {lead}")
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    flat = samples.reshape(-1)
    if form == "212":
        low, high = flat[::2] & 0xFFF, flat[1::2] & 0xFFF
        content = np.stack([low & 0xFF, low >> 8 | high >> 8 << 4, high & 0xFF], axis=1).astype(np.uint8).tobytes()
    else:
        content = flat.astype("<i2").tobytes()
    (folder / f"{name}.dat").write_bytes(content)


def by_wfdb(folder: Path, name: str, **span: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = wfdb.rdrecord(str(folder / name), channel_names=["II", "V1"], smooth_frames=False, **span)
    two, v1 = (signal.reshape(read.sig_len, -1).mean(axis=1) for signal in read.e_p_signal)  # it rounds its own means
    return np.stack([two, v1 / 1000])


def row(folder: Path, name: str) -> dict[str, str]:
    return {"root": str(folder), "path": name, "record_id": name}


@pytest.mark.parametrize(
    ("form", "per_frame", "skew"),
    [
        ("16", (1, 1, 1, 1), ""),
        ("212", (1, 1, 1, 1), ""),
        ("16", (1, 1, 1, 1), ":4"),
        ("16", (1, 4, 1, 2), ""),
        ("212", (3, 1, 1, 1), ""),
    ],
)
def test_the_ecg_beside_other_signals_is_what_the_wfdb_package_reads_of_these_channels(tmp_path, form, per_frame, skew):
    written(tmp_path, "r", form, per_frame, skew)
    record = WFDBReader().read(row(tmp_path, "r"))
    assert record.leads == ("II", "V1")
    np.testing.assert_allclose(record.signal, by_wfdb(tmp_path, "r"), rtol=1e-6, atol=1e-6)
    part = WFDBReader().read_part(row(tmp_path, "r"), 11, 40)
    np.testing.assert_array_equal(part.signal, record.signal[:, 11:40])
    if not skew:
        np.testing.assert_allclose(part.signal, by_wfdb(tmp_path, "r", sampfrom=11, sampto=40), rtol=1e-6, atol=1e-6)


def test_segments_with_other_signals_are_joined_as_the_wfdb_package_joins_them(tmp_path):
    written(tmp_path, "s1")
    written(tmp_path, "s22", "212")
    (tmp_path / "m.hea").write_text(f"m/2 4 250 {2 * FRAMES}\ns1 {FRAMES}\ns22 {FRAMES}\n")
    with pytest.warns(ContentWarning, match=r"1 record\(s\), the first is m, hold signals that are no voltage \(ABP, RESP\)"):
        table = WFDBReader().scan(tmp_path)
    assert table.frame["leads"].tolist() == [("II", "V1")]
    record = WFDBReader().read(row(tmp_path, "m"))
    np.testing.assert_allclose(record.signal, by_wfdb(tmp_path, "m"), rtol=1e-6, atol=1e-6)


def test_one_warning_of_a_scan_counts_the_records_and_names_what_is_left_out(tmp_path):
    for name in ("a", "b", "c"):
        written(tmp_path, name)
    with pytest.warns(ContentWarning) as told:
        table = WFDBReader().scan(tmp_path)
    assert [str(one.message) for one in told] == [
        "3 record(s), the first is a, hold signals that are no voltage (ABP, RESP); they are left out, the others are read"
    ]
    assert len(table.frame) == 3
    assert not len(table.rejects)


def test_the_checksum_of_a_signal_that_is_left_out_is_verified_too(tmp_path):
    written(tmp_path, "r")
    file = tmp_path / "r.dat"
    content = bytearray(file.read_bytes())
    content[0] ^= 1  # of ABP
    file.write_bytes(content)
    with pytest.raises(DataError, match="the samples of lead ABP .* was altered, restore both"):
        WFDBReader().read(row(tmp_path, "r"))


def test_a_record_in_which_no_signal_is_a_voltage_is_refused_with_its_units():
    with pytest.raises(DataError, match="no signal is a voltage .*mmHg, NU.*, expected one in mV, uV or V; it holds no ECG"):
        parse_header(b"r 2 125 60\nr.dat 16 20/mmHg 12 0 0 0 0 ABP\nr.dat 16 20/NU 12 0 0 0 0 PLETH\n")


def test_a_lead_of_ptbxl_that_is_no_voltage_is_not_left_out_in_silence(tmp_path):
    ptbxl_example()["fixture"](tmp_path)
    header = tmp_path / "records100/00000/00002_lr.hea"
    header.write_text(header.read_text().replace("/mV", "/mmHg", 1))
    with pytest.warns(ContentWarning, match=r"00002_lr, hold signals that are no voltage \(I\)"):
        PTBXLReader(fs=100).scan(tmp_path)
