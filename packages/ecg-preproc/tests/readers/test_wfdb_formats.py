"""Storage formats: bytes become the samples the standard says, whole and in parts, and no more bytes are read than needed."""

from __future__ import annotations

import os
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from ecg_core.data.record import Record
from ecg_core.errors import DataError, MissingExtraError
from ecg_preproc.readers import files
from ecg_preproc.readers.formats import FORMATS
from ecg_preproc.readers.wfdb import WFDBReader

with warnings.catch_warnings():  # wfdb 4.3.1 uses what pandas 3 deprecates
    warnings.simplefilter("ignore")
    import wfdb

FAST = [number for number, form in FORMATS.items() if form.decode is not None]
RANGES = {8: (-100, 100), 80: (-127, 127), 212: (-2047, 2047), 310: (-511, 511), 311: (-511, 511), 508: (-127, 127)}
RANGES |= {24: (-(2**23) + 1, 2**23 - 1), 524: (-(2**23) + 1, 2**23 - 1), 32: (-(2**31) + 1, 2**31 - 1)}


def encode(number: int, samples: np.ndarray) -> bytes:
    """Samples as the standard stores them, written bit by bit and without the decoder's tricks."""
    values = [int(value) for value in samples.reshape(-1)]
    if number in (16, 24, 32):
        return b"".join(value.to_bytes(number // 8, "little", signed=True) for value in values)
    if number == 61:
        return b"".join(value.to_bytes(2, "big", signed=True) for value in values)
    if number == 80:
        return bytes(value + 128 for value in values)
    if number == 160:
        return b"".join((value + 32768).to_bytes(2, "little") for value in values)
    packed = bytearray()
    if number == 212:
        for i in range(0, len(values), 2):
            pair = [value & 0xFFF for value in (*values[i : i + 2], 0)[:2]]
            packed += bytes([pair[0] & 0xFF, pair[0] >> 8 | pair[1] >> 8 << 4, pair[1] & 0xFF])
    elif number == 310:
        for i in range(0, len(values), 3):
            a, b, c = (value & 0x3FF for value in (*values[i : i + 3], 0, 0)[:3])
            packed += (a << 1 & 0xFF | (a >> 7 | (c & 31) << 3) << 8).to_bytes(2, "little")
            packed += (b << 1 & 0xFF | (b >> 7 | c >> 5 << 3) << 8).to_bytes(2, "little")
    elif number == 311:
        for i in range(0, len(values), 3):
            a, b, c = (value & 0x3FF for value in (*values[i : i + 3], 0, 0)[:3])
            packed += (a | b << 10 | c << 20).to_bytes(4, "little")
    return bytes(packed)


def draw(number: int, frames: int, width: int, *, seed: int = 3) -> np.ndarray:
    low, high = RANGES.get(number, (-(2**15) + 1, 2**15 - 1))
    samples = np.random.default_rng(seed).integers(low, high + 1, (frames, width))
    samples[1, 0], samples[2, 0] = low, high  # the ends of the range, where a sign is lost first
    return samples


def put(folder: Path, number: int, samples: np.ndarray, *, prefix: bytes = b"", checksum: bool = True) -> Path:
    """A record ``a`` of one file, ``samples`` being (frames, leads)."""
    frames, width = samples.shape
    lines = [f"a {width} 250 {frames}"]
    for lead, column in zip(("I", "II", "III", "V1"), samples.T, strict=False):
        total = int(column.sum()) & 0xFFFF if checksum else 0
        offset = f"+{len(prefix)}" if prefix else ""
        lines.append(f"a.dat {number}{offset} 200(7)/mV 0 0 {int(column[0])} {total} 0 {lead}")
    (folder / "a.hea").write_text("\n".join(lines) + "\n")
    (folder / "a.dat").write_bytes(prefix + encode(number, samples))
    return folder


def put_by_wfdb(folder: Path, number: int, samples: np.ndarray) -> Path:
    gain, zero = [200.0] * samples.shape[1], [7] * samples.shape[1]
    names = ["I", "II", "III", "V1"][: samples.shape[1]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wfdb.wrsamp("a", 250, ["mV"] * len(names), names, d_signal=samples, fmt=[str(number)] * len(names), adc_gain=gain,
                    baseline=zero, write_dir=str(folder))  # fmt: skip
    return folder


def read(folder: Path, span: tuple[int, int] | None = None, **options: bool) -> Record:
    row = {"root": str(folder), "path": "a", "record_id": "a"}
    return WFDBReader(**options).read(row) if span is None else WFDBReader(**options).read_part(row, *span)


def theirs(folder: Path, *, physical: bool = True) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = wfdb.rdrecord(str(folder / "a"), physical=physical)
    return (found.p_signal if physical else found.d_signal).T


def expected(samples: np.ndarray) -> np.ndarray:
    return ((samples.T.astype(np.float64) - 7) / 200).astype(np.float32)


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("number", FAST)
def test_every_format_gives_the_samples_that_were_stored_as_the_wfdb_package_does(tmp_path: Path, number: int, width: int):
    samples = draw(number, 101, width)
    put(tmp_path, number, samples)
    np.testing.assert_array_equal(FORMATS[number].decode((tmp_path / "a.dat").read_bytes(), samples.size, 0), samples.reshape(-1))
    np.testing.assert_array_equal(theirs(tmp_path, physical=False), samples.T)
    np.testing.assert_array_equal(read(tmp_path).signal, expected(samples))
    np.testing.assert_array_equal(read(tmp_path).signal, theirs(tmp_path).astype(np.float32))


@pytest.mark.parametrize("number", [16, 24, 32, 80, 212])
def test_what_the_wfdb_package_writes_is_read_bit_for_bit(tmp_path: Path, number: int):
    samples = draw(number, 77, 3, seed=number)
    put_by_wfdb(tmp_path, number, samples)
    np.testing.assert_array_equal(read(tmp_path).signal, expected(samples))


@pytest.mark.parametrize("number", FAST)
def test_the_invalid_sample_of_every_format_is_nan_and_its_neighbours_are_not(tmp_path: Path, number: int):
    samples = draw(number, 12, 2)
    samples[5, 1] = FORMATS[number].invalid
    put(tmp_path, number, samples)
    assert np.argwhere(np.isnan(read(tmp_path).signal)).tolist() == [[1, 5]]
    assert np.argwhere(np.isnan(theirs(tmp_path))).tolist() == [[1, 5]]


@pytest.mark.parametrize("number", FAST)
def test_one_altered_sample_is_noticed_in_every_format(tmp_path: Path, number: int):
    put(tmp_path, number, draw(number, 12, 2))
    content = bytearray((tmp_path / "a.dat").read_bytes())
    content[0] ^= 1
    (tmp_path / "a.dat").write_bytes(content)
    with pytest.raises(DataError, match=r"the samples of lead I in 'a\.dat' sum to \d+, the header's checksum is \d+"):
        read(tmp_path)


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("number", FAST)
def test_every_part_is_that_part_of_the_whole(tmp_path: Path, number: int, width: int):
    samples = draw(number, 23, width)
    put(tmp_path, number, samples, prefix=b"twelve bytes")
    whole = read(tmp_path).signal
    for start in range(23):
        for stop in range(start + 1, 24):
            part = read(tmp_path, (start, stop))
            np.testing.assert_array_equal(part.signal, whole[:, start:stop], err_msg=f"[{start}, {stop})")


@pytest.mark.parametrize("number", FAST)
def test_a_part_costs_only_its_own_bytes(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch):
    put(tmp_path, number, draw(number, 4000, 2))
    reads: list[int] = []
    original = os.read
    monkeypatch.setattr(files.os, "read", lambda fd, count: reads.append(count) or original(fd, count))
    read(tmp_path, (2001, 2006))
    header, *data = reads
    assert header == (tmp_path / "a.hea").stat().st_size
    assert sum(data) <= FORMATS[number].padded(12)  # five frames of two samples, and a group that was begun before them


@pytest.mark.parametrize("number", FAST)
def test_ten_seconds_of_a_week_take_the_memory_of_ten_seconds(tmp_path: Path, number: int):
    frames = 7 * 24 * 3600 * 250
    lines = [f"a.dat {number} 200(7)/mV 0 0 0 0 0 {lead}" for lead in ("I", "II", "V1")]
    (tmp_path / "a.hea").write_text("\n".join([f"a 3 250 {frames}", *lines]))
    with (tmp_path / "a.dat").open("wb") as file:
        file.truncate(FORMATS[number].size(3 * frames))  # a gigabyte of nothing, which takes no room on the disk
    read(tmp_path, (0, 2500))
    tracemalloc.start()
    for start in (0, frames // 2 + 1, frames - 2500):
        assert read(tmp_path, (start, start + 2500)).signal.shape == (3, 2500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 3 * 2500 * 4


@pytest.mark.parametrize("span", [(-1, 2), (0, 0), (3, 2), (0, 24), (23, 24), (10**12, 10**12 + 1)])
def test_a_part_that_is_not_there_is_refused(tmp_path: Path, span: tuple[int, int]):
    put(tmp_path, 16, draw(16, 23, 2))
    message = rf"a\.hea: samples \[{span[0]}, {span[1]}\) were asked of a recording of 23; ask for samples it has"
    with pytest.raises(DataError, match=message):
        read(tmp_path, span)


def test_a_checksum_is_verified_on_the_whole_and_cannot_be_on_a_part(tmp_path: Path):
    put(tmp_path, 16, draw(16, 23, 2))
    text = (tmp_path / "a.hea").read_text().splitlines()
    (tmp_path / "a.hea").write_text("\n".join([text[0], text[1].replace(" 0 I", "1 0 I"), text[2]]))
    assert read(tmp_path, (3, 9)).n_samples == 6
    for span in (None, (0, 23)):
        with pytest.raises(DataError, match="checksum"):
            read(tmp_path, span)


def test_a_part_carries_the_facts_of_its_record(folder: Path, record: Record):
    (row,) = WFDBReader().scan(folder).rows()
    part = WFDBReader().read_part(row, 50, 60)
    assert (part.labels, part.age, part.leads, part.fs) == (record.labels, record.age, record.leads, record.fs)
    np.testing.assert_array_equal(part.signal, record.signal[:, 50:60])


def test_signals_of_two_formats_in_two_files_are_put_together(tmp_path: Path):
    samples = np.concatenate([draw(212, 21, 1), draw(80, 21, 2)], axis=1)
    lines = [
        f"a 3 250 {len(samples)}",
        "b.dat 212 200(7) 0 0 0 0 0 I",
        "c.dat 80 200(7) 0 0 0 0 0 II",
        "c.dat 80 200(7) 0 0 0 0 0 V1",
    ]
    (tmp_path / "a.hea").write_text("\n".join(lines))
    (tmp_path / "b.dat").write_bytes(encode(212, samples[:, :1]))
    (tmp_path / "c.dat").write_bytes(encode(80, samples[:, 1:]))
    np.testing.assert_array_equal(read(tmp_path).signal, expected(samples))
    np.testing.assert_array_equal(read(tmp_path, (5, 8)).signal, expected(samples)[:, 5:8])


@pytest.mark.parametrize("number", [16, 24])
def test_digital_values_that_float32_cannot_hold_are_subtracted_exactly(tmp_path: Path, number: int):
    samples = np.array([[2**23 - 1 if number == 24 else 32767], [5]])
    (tmp_path / "a.hea").write_text(f"a 1 250 2\na.dat {number} 1000(-8388999)/mV 0 0 0 0 0 I\n")
    (tmp_path / "a.dat").write_bytes(encode(number, samples))
    np.testing.assert_array_equal(read(tmp_path).signal[0], np.float32((samples[:, 0] + 8388999) / 1000))


# ---- formats that go through the wfdb package


@pytest.mark.parametrize("number", [310, 311])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_ten_bit_formats_are_read_through_the_wfdb_package(tmp_path: Path, number: int, width: int):
    samples = draw(number, 31, width)
    samples[7, 0] = -512
    put(tmp_path, number, samples)
    signal = read(tmp_path).signal
    assert np.argwhere(np.isnan(signal)).tolist() == [[0, 7]]
    np.testing.assert_array_equal(np.nan_to_num(signal), np.nan_to_num(np.where(np.isnan(signal), np.nan, expected(samples))))
    np.testing.assert_array_equal(read(tmp_path, (5, 17)).signal, signal[:, 5:17])


def test_differences_are_added_up_from_the_beginning_even_for_a_part(tmp_path: Path):
    steps = draw(8, 31, 2)
    levels = steps.cumsum(axis=0) + 11
    lines = ["a 2 250 31"] + [
        f"a.dat 8 200(7)/mV 0 0 11 {int(column.sum()) & 0xFFFF} 0 {lead}"
        for lead, column in zip(("I", "II"), levels.T, strict=True)
    ]
    (tmp_path / "a.hea").write_text("\n".join(lines))
    (tmp_path / "a.dat").write_bytes(steps.astype(np.int8).tobytes())
    np.testing.assert_array_equal(read(tmp_path).signal, expected(levels))
    np.testing.assert_array_equal(read(tmp_path, (5, 17)).signal, expected(levels)[:, 5:17])


@pytest.mark.parametrize("number", [508, 516, 524])
def test_compressed_formats_are_read_through_the_wfdb_package(tmp_path: Path, number: int):
    samples = draw(number, 3000, 2)
    put_by_wfdb(tmp_path, number, samples)
    np.testing.assert_array_equal(read(tmp_path).signal, expected(samples))
    np.testing.assert_array_equal(read(tmp_path, (1001, 1999)).signal, expected(samples)[:, 1001:1999])
    assert WFDBReader().scan(tmp_path).frame["n_samples"].tolist() == [3000]


def test_a_format_that_needs_the_wfdb_package_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(tmp_path, 310, draw(310, 30, 1))
    monkeypatch.setitem(__import__("sys").modules, "wfdb", None)
    message = (
        r"a\.hea: WFDB format 310 \('a\.dat'\) is read through the wfdb package, which is not installed: "
        r"pip install 'ecg-preproc\[wfdb\]'"
    )
    assert len(WFDBReader().scan(tmp_path)) == 1
    with pytest.raises(MissingExtraError, match=message):
        read(tmp_path)


def test_a_folder_whose_name_is_a_chain_of_urls_is_not_given_to_the_wfdb_package(tmp_path: Path):
    folder = tmp_path / "simplecache::http:"
    folder.mkdir()
    put(folder, 310, draw(310, 30, 1))
    with pytest.raises(DataError, match="looks like a URL to the wfdb package, which format 310 needs; rename the folder"):
        read(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b"RIFF" + b[4:], "'a.dat' is not a FLAC file, expected one for its WFDB format"),
        (lambda b: b[:20], "'a.dat' is not a FLAC file"),
        (lambda b: b[:20] + bytes([b[20] ^ 2]) + b[21:], r"holds 1 channel\(s\) of 16 bits, expected 2 of at most 16"),
        (lambda b: b[:25] + bytes([b[25] ^ 1]) + b[26:], "holds 3001 samples per signal, expected 3000"),
        (lambda b: b[: len(b) // 2], r"'a\.dat' cannot be decoded in format 516 \(.*\); restore it"),
    ],
)
def test_a_damaged_flac_file_is_refused(tmp_path: Path, change, message: str):
    put_by_wfdb(tmp_path, 516, draw(516, 3000, 2))
    (tmp_path / "a.dat").write_bytes(change((tmp_path / "a.dat").read_bytes()))
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_a_small_flac_file_that_would_fill_the_memory_is_refused(tmp_path: Path):
    put_by_wfdb(tmp_path, 516, draw(516, 3000, 2))
    content = bytearray((tmp_path / "a.dat").read_bytes())
    content[22:26] = (2**31).to_bytes(4, "big")
    (tmp_path / "a.dat").write_bytes(content)
    (tmp_path / "a.hea").write_text((tmp_path / "a.hea").read_text().replace("250 3000", f"250 {2**31}"))
    with pytest.raises(DataError, match=r"has \d+ bytes and would decode to 17179869184, more than 100 times as many; refused"):
        read(tmp_path)
