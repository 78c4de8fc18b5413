"""Multi-segment records, skewed signals and frames of several samples, against the wfdb package and by hand."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from ecg_core.data.record import Record
from ecg_core.errors import DataError
from ecg_preproc.readers.wfdb import WFDBReader

with warnings.catch_warnings():  # wfdb 4.3.1 uses what pandas 3 deprecates
    warnings.simplefilter("ignore")
    import wfdb


def samples_of(seed: int, frames: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-2000, 2000, (frames, width)).astype("<i2")


def put(folder: Path, name: str, leads: tuple[str, ...], samples: np.ndarray, *, gain: int = 200, form: str = "16") -> None:
    sums = samples.sum(axis=0) & 0xFFFF
    lines = [f"{name}.dat {form} {gain}/mV 0 0 0 {total} 0 {lead}" for lead, total in zip(leads, sums, strict=True)]
    (folder / f"{name}.hea").write_text("\n".join([f"{name} {len(leads)} 250 {len(samples)}", *lines]) + "\n")
    (folder / f"{name}.dat").write_bytes(samples.tobytes())


def put_layout(folder: Path, name: str, leads: tuple[str, ...]) -> None:
    lines = [f"~ 0 0/mV 0 0 0 0 0 {lead}" for lead in leads]
    (folder / f"{name}.hea").write_text("\n".join([f"{name} {len(leads)} 250 0", *lines]) + "\n")


@pytest.fixture
def fixed(tmp_path: Path) -> Path:
    """Three segments of the same leads, with gains of their own: 40, 25 and 35 samples."""
    for number, frames in enumerate((40, 25, 35), start=1):
        put(tmp_path, f"s{number}", ("I", "II"), samples_of(number, frames, 2), gain=100 * number)
    (tmp_path / "a.hea").write_text("a/3 2 250 100\ns1 40\ns2 25\ns3 35\n# Age: 70\n")
    return tmp_path


@pytest.fixture
def variable(tmp_path: Path) -> Path:
    """A layout of three leads, a segment of two of them, a gap, a segment of one and one of all in another order."""
    put_layout(tmp_path, "lay", ("I", "II", "V1"))
    put(tmp_path, "s1", ("V1", "I"), samples_of(1, 40, 2))
    put(tmp_path, "s2", ("II",), samples_of(2, 25, 1), gain=300)
    put(tmp_path, "s3", ("V1", "II", "I"), samples_of(3, 35, 3))
    (tmp_path / "a.hea").write_text("a/5 3 250 110\nlay 0\ns1 40\n~ 10\ns2 25\ns3 35\n")
    return tmp_path


def read(folder: Path, span: tuple[int, int] | None = None) -> Record:
    row = {"root": str(folder), "path": "a", "record_id": "a"}
    return WFDBReader().read(row) if span is None else WFDBReader().read_part(row, *span)


def theirs(folder: Path, **options: object) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return wfdb.rdrecord(str(folder / "a"), **options).p_signal.T.astype(np.float32)


@pytest.mark.parametrize("layout", ["fixed", "variable"])
def test_segments_are_put_in_their_places_as_the_wfdb_package_does(layout: str, request: pytest.FixtureRequest):
    folder = request.getfixturevalue(layout)
    found, expected = read(folder), theirs(folder)
    assert found.leads == (("I", "II") if layout == "fixed" else ("I", "II", "V1"))
    np.testing.assert_array_equal(found.signal, expected)
    for span in [(0, 1), (39, 41), (0, 110 if layout == "variable" else 100), (38, 80), (41, 49), (66, 99)]:
        np.testing.assert_array_equal(read(folder, span).signal, expected[:, slice(*span)], err_msg=str(span))
        np.testing.assert_array_equal(read(folder, span).signal, theirs(folder, sampfrom=span[0], sampto=span[1]))


def test_what_a_segment_does_not_hold_is_missing_and_nothing_else_is(variable: Path):
    missing = np.isnan(read(variable).signal)
    assert [row.nonzero()[0].tolist() for row in missing] == [
        list(range(40, 75)),  # I: the gap, and the segment of II alone
        list(range(50)),
        list(range(40, 75)),
    ]


@pytest.mark.parametrize("layout", ["fixed", "variable"])
def test_a_scan_lists_a_record_of_segments_once_and_not_its_parts(layout: str, request: pytest.FixtureRequest):
    folder = request.getfixturevalue(layout)
    put(folder, "other", ("I",), samples_of(9, 10, 1))
    table = WFDBReader().scan(folder)
    assert table.frame["record_id"].tolist() == ["a", "other"]
    assert table.frame["n_samples"].tolist() == [100 if layout == "fixed" else 110, 10]
    assert len(table.rejects) == 0


def test_the_length_of_a_record_of_segments_need_not_be_stated(fixed: Path):
    (fixed / "a.hea").write_text("a/3 2 250\ns1 40\ns2 25\ns3 35\n")
    assert read(fixed).n_samples == 100


def test_the_same_segment_may_come_twice(fixed: Path):
    (fixed / "a.hea").write_text("a/2 2 250 80\ns1 40\ns1 40\n")
    np.testing.assert_array_equal(read(fixed).signal[:, :40], read(fixed).signal[:, 40:])


def test_only_the_segments_of_a_part_are_read(fixed: Path):
    content = bytearray((fixed / "s2.dat").read_bytes())
    content[0] ^= 1
    (fixed / "s2.dat").write_bytes(content)
    assert read(fixed, (0, 40)).n_samples == 40
    with pytest.raises(DataError, match=r"a\.hea: segment 's2': the samples of lead I in 's2\.dat' sum to"):
        read(fixed)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("a/2 2 250 80\na 40\ns1 40\n", r"the record names itself \('a'\) as a segment"),
        ("a/2 2 250 80\nb 40\ns1 40\n", "segment 'b': it is a multi-segment record itself"),
        ("a/2 2 250 80\ns9 40\ns1 40\n", r"segment 's9': there is no file 's9\.hea'"),
        ("a/2 2 250 80\ns1 40\ns2 40\n", "segment 's2' holds 25 samples, the record's header announces 40"),
        ("a/2 2 250 66\ns1 40\ns2 25\n", "the header announces 66 samples, its segments hold 65"),
        ("a/2 3 250 65\ns1 40\ns2 25\n", r"the header announces 3 signal\(s\), its segments hold 2"),
        ("a/2 2 500 65\ns1 40\ns2 25\n", "segment 's1' is sampled at 250 Hz, the record at 500 Hz"),
        ("a/2 2 250 50\ns1 40\nw 10\n", "segment 'w' holds I, V1, expected exactly I, II"),
        ("a/2 2 250 50\ns1 40\nf 10\n", "segment 'f' has 2 samples per frame, others 1"),
        ("a/3 2 250 50\nl 0\ns1 40\nw 10\n", "segment 'w' holds I, V1, expected no more than I, II"),
        ("a/2 2 250 40\ns2 0\ns1 40\n", "segment 's2': signal 1: the storage format is '16', expected 0 in a layout header"),
        (f"a/2 2 250 {40 + 10**12}\ns1 40\n~ {10**12}\n", "of 1000000000040 samples only 40 were recorded, the others are gaps"),
    ],
)
def test_segments_that_do_not_fit_together_are_refused(fixed: Path, header: str, message: str):
    (fixed / "b.hea").write_text("b/1 2 250 40\ns1 40\n")
    put_layout(fixed, "l", ("I", "II"))
    put(fixed, "w", ("I", "V1"), samples_of(4, 10, 2))
    put(fixed, "f", ("I", "II"), samples_of(4, 10, 4)[:, :2].repeat(2, axis=0), form="16x2")
    (fixed / "f.hea").write_text((fixed / "f.hea").read_text().replace("250 20", "250 10"))
    (fixed / "a.hea").write_text(header)
    with pytest.raises(DataError, match=message) as caught:
        read(fixed)
    assert str(caught.value).startswith(f"{fixed / 'a.hea'}: ")
    assert "a.hea" in WFDBReader().scan(fixed).rejects["path"].tolist()


# ---- skew


def test_a_signal_that_comes_late_in_the_file_is_put_back_in_time(tmp_path: Path):
    samples = samples_of(5, 50, 3)
    put(tmp_path, "a", ("I", "II", "V1"), samples)
    text = (tmp_path / "a.hea").read_text().splitlines()
    (tmp_path / "a.hea").write_text("\n".join([*text[:2], text[2].replace(" 16 ", " 16:4 "), text[3]]))
    np.testing.assert_array_equal(read(tmp_path).signal, theirs(tmp_path))
    # The wfdb package fails on a file of two different skews; by hand:
    (tmp_path / "a.hea").write_text("\n".join([*text[:2], text[2].replace(" 16 ", " 16:4 "), text[3].replace(" 16 ", " 16:1 ")]))
    found = read(tmp_path).signal
    np.testing.assert_array_equal(found[0], np.float32(samples[:, 0] / 200))
    np.testing.assert_array_equal(found[1, :46], np.float32(samples[4:, 1] / 200))
    np.testing.assert_array_equal(found[2, :49], np.float32(samples[1:, 2] / 200))
    assert np.isnan(found).sum(axis=1).tolist() == [0, 4, 1]
    for span in [(0, 50), (0, 10), (40, 47), (45, 50), (49, 50)]:
        np.testing.assert_array_equal(read(tmp_path, span).signal, found[:, slice(*span)], err_msg=str(span))


def test_a_skew_longer_than_the_record_is_refused(tmp_path: Path):
    put(tmp_path, "a", ("I",), samples_of(5, 50, 1), form="16:50")
    with pytest.raises(DataError, match=r"a signal of 'a\.dat' is skewed by 50 of 50 samples; correct the header"):
        read(tmp_path)


# ---- several samples per frame


def put_frames(folder: Path, per_frame: tuple[int, ...], samples: np.ndarray) -> None:
    sums = [int(samples[:, sum(per_frame[:i]) : sum(per_frame[: i + 1])].sum()) & 0xFFFF for i in range(len(per_frame))]
    lines = [f"a.dat 16x{k} 200/mV 0 0 0 {s} 0 {lead}" for k, s, lead in zip(per_frame, sums, ("I", "II", "V1"), strict=False)]
    (folder / "a.hea").write_text("\n".join([f"a {len(per_frame)} 125 {len(samples)}", *lines]) + "\n")
    (folder / "a.dat").write_bytes(samples.tobytes())


def expanded(folder: Path) -> list[np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return wfdb.rdrecord(str(folder / "a"), smooth_frames=False).e_p_signal


def test_signals_with_as_many_samples_per_frame_keep_all_of_them(tmp_path: Path):
    put_frames(tmp_path, (4, 4), samples_of(6, 20, 8))
    found = read(tmp_path)
    assert (found.fs, found.n_samples) == (500.0, 80)
    np.testing.assert_array_equal(found.signal, np.float32(expanded(tmp_path)))
    (row,) = WFDBReader().scan(tmp_path).rows()
    assert (row["fs"], row["n_samples"]) == (500.0, 80)
    for span in [(0, 80), (1, 3), (3, 5), (7, 78), (79, 80)]:
        np.testing.assert_array_equal(read(tmp_path, span).signal, found.signal[:, slice(*span)], err_msg=str(span))


def test_signals_that_differ_in_samples_per_frame_are_averaged_over_each_frame(tmp_path: Path):
    samples = samples_of(7, 20, 7)
    samples[3, 1] = -32768
    put_frames(tmp_path, (4, 1, 2), samples)
    found = read(tmp_path)
    assert (found.fs, found.n_samples) == (125.0, 20)
    means = [signal.reshape(20, -1).mean(axis=1) for signal in expanded(tmp_path)]
    np.testing.assert_allclose(found.signal, means, rtol=0, atol=1e-6)
    assert np.argwhere(np.isnan(found.signal)).tolist() == [[0, 3]]
    # The wfdb package averages digital values, rounded down and with invalid samples among them: within one ADC unit else.
    valid = ~np.isnan(found.signal)
    np.testing.assert_allclose(found.signal[valid], theirs(tmp_path)[valid], rtol=0, atol=1 / 200)
    np.testing.assert_array_equal(read(tmp_path, (2, 9)).signal, found.signal[:, 2:9])


@pytest.mark.parametrize("per_frame", [(4, 4), (4, 1, 2)])
def test_checksums_count_every_sample_of_a_frame(tmp_path: Path, per_frame: tuple[int, ...]):
    put_frames(tmp_path, per_frame, samples_of(6, 20, sum(per_frame)))
    content = bytearray((tmp_path / "a.dat").read_bytes())
    content[2] ^= 1
    (tmp_path / "a.dat").write_bytes(content)
    with pytest.raises(DataError, match=r"the samples of lead I in 'a\.dat' sum to"):
        read(tmp_path)


def test_skew_is_counted_in_frames(tmp_path: Path):
    put_frames(tmp_path, (2, 2), samples_of(6, 20, 4))
    text = (tmp_path / "a.hea").read_text().splitlines()
    plain = read(tmp_path).signal
    (tmp_path / "a.hea").write_text("\n".join([*text[:2], text[2].replace("16x2", "16x2:3")]))
    found = read(tmp_path).signal
    np.testing.assert_array_equal(found[0], plain[0])
    np.testing.assert_array_equal(found[1, :34], plain[1, 6:])
    assert np.isnan(found[1, 34:]).all()
