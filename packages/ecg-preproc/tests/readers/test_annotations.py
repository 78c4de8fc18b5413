"""Annotation files: decoded as the wfdb package does, written and read back, named by one convention, refused when damaged."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_core.data.annotation_file import SYMBOLS, AnnotationFile, encode_annotations, write_annotations
from ecg_core.data.record import Record
from ecg_core.errors import DataError
from ecg_preproc.readers.aami import AAMI_CLASSES, BEATS, aami_class
from ecg_preproc.readers.annotation_file import parse_annotations, read_annotations
from ecg_preproc.readers.annotations import delineation, named_annotations, positions_in_samples
from ecg_preproc.readers.wfdb import WFDBReader
from ecg_preproc.readers.write import write_record

with warnings.catch_warnings():  # wfdb 4.3.1 uses what pandas 3 deprecates
    warnings.simplefilter("ignore")
    import wfdb
    from wfdb.io.annotation import ann_labels, is_qrs

FIELDS = ("samples", "subtypes", "channels", "numbers")


def made(samples: list[int], symbols: list[str], notes: list[str] | None = None, **more: object) -> AnnotationFile:
    zeros = np.zeros(len(samples), dtype=np.int64)
    found = AnnotationFile(
        np.array(samples, dtype=np.int64), tuple(symbols), zeros, zeros, zeros, tuple(notes or [""] * len(samples))
    )
    return replace(found, **more)


def words(*values: int) -> bytes:
    return np.array(values, dtype="<u2").tobytes()


def assert_as_wfdb(path: Path, root: Path) -> None:
    ours = read_annotations(path, root)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = wfdb.rdann(str(path.with_suffix("")), path.suffix[1:])
    assert list(ours.symbols) == theirs.symbol, path
    for field, their in zip(FIELDS, (theirs.sample, theirs.subtype, theirs.chan, theirs.num), strict=True):
        np.testing.assert_array_equal(getattr(ours, field), their, err_msg=f"{path} {field}")
    assert list(ours.notes) == [note.rstrip("\0") for note in theirs.aux_note], path


def test_the_symbols_are_those_of_the_standard():
    assert {label.label_store: label.symbol for label in ann_labels} == SYMBOLS


@pytest.mark.parametrize(
    "pattern", ["mitdb/*.atr", "ecgid/*/*.atr", *(f"ludb/data/*.{lead}" for lead in ("ii", "avr", "v1", "v6"))]
)
def test_every_real_annotation_file_is_decoded_as_the_wfdb_package_does(recordings: Path, pattern: str):
    files = sorted(recordings.glob(pattern))
    assert files, pattern
    for file in files:
        assert_as_wfdb(file, recordings)


notes = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).filter(lambda note: not note.startswith("## "))
rows = st.tuples(
    st.integers(0, 2**31 - 1),
    st.sampled_from([symbol for symbol in SYMBOLS.values() if symbol != " "]),
    st.integers(-128, 127),
    st.integers(0, 255),
    st.integers(-128, 127),
    notes,
)


@given(st.lists(rows, max_size=12), st.sampled_from([None, 360.0, 128.5]))
def test_what_is_written_is_read_back(rows: list[tuple], fs: float | None):
    samples, symbols, subtypes, channels, numbers, notes = ([row[i] for row in rows] for i in range(6))
    arrays = [np.array(values, dtype=np.int64) for values in (samples, subtypes, channels, numbers)]
    found = AnnotationFile(arrays[0], tuple(symbols), arrays[1], arrays[2], arrays[3], tuple(notes), fs)
    again = parse_annotations(encode_annotations(found))
    for field in FIELDS:
        assert getattr(again, field).tolist() == getattr(found, field).tolist()
    assert (again.symbols, again.notes, again.fs) == (found.symbols, found.notes, fs)


def test_the_wfdb_package_reads_what_is_written(tmp_path: Path):
    rng = np.random.default_rng(4)
    samples = np.sort(rng.integers(1, 10**6, 200))
    symbols = [symbol for symbol in SYMBOLS.values() if symbol != " "]
    found = made(
        samples.tolist(), [symbols[i % len(symbols)] for i in range(200)], ["(AFIB" if i % 7 == 0 else "" for i in range(200)]
    )
    found = replace(
        found, subtypes=rng.integers(-128, 127, 200), channels=rng.integers(0, 3, 200), numbers=rng.integers(-5, 5, 200)
    )
    write_annotations(found, tmp_path / "a.atr")
    assert_as_wfdb(tmp_path / "a.atr", tmp_path)


def test_what_the_wfdb_package_writes_is_read(tmp_path: Path):
    samples = np.array([5, 1500, 1501, 900_000])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wfdb.wrann("a", "atr", samples, ["+", "N", "V", "N"], fs=250, aux_note=["(AFIB", "", "odd", ""], write_dir=str(tmp_path))
    found = read_annotations(tmp_path / "a.atr", tmp_path)
    assert (found.samples.tolist(), found.symbols, found.fs) == (samples.tolist(), ("+", "N", "V", "N"), 250.0)
    assert found.notes == ("(AFIB", "", "odd", "")


def test_types_that_the_file_defines_itself_have_its_symbols():
    note = 22 << 10
    texts = ["## annotation type definitions", "42 VT_on Ventricular tachycardia", "## end of definitions"]
    aux = [w for t in texts for w in (note, 63 << 10 | len(t), *np.frombuffer(t.encode() + b"\0" * (len(t) % 2), "<u2"))]
    found = parse_annotations(words(*aux, 42 << 10 | 7, 43 << 10 | 1, 0))
    assert (found.symbols, found.samples.tolist()) == (("VT_on", "[43]"), [7, 8])


def test_skips_add_up_and_may_go_back():
    skip = 59 << 10
    found = parse_annotations(words(skip, 1, 0, skip, 0, 5, 1 << 10 | 2, skip, 0xFFFF, 0xFFFE, 1 << 10, 0))
    assert found.samples.tolist() == [65536 + 5 + 2, 65536 + 5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'x.atr': an annotation file is a row of 16-bit words, got 0 bytes; the file is cut"),
        (b"\0\0\0", "a row of 16-bit words, got 3 bytes"),
        (words(1 << 10 | 5), r"the file has no end mark \(two zero bytes\); it is cut, restore it"),
        (words(1 << 10 | 5, 59 << 10, 0, 9), "the file ends within the annotation at byte 2; it is cut or damaged"),
        (words(1 << 10 | 5, 63 << 10 | 9, 0), "the file ends within the annotation at byte 2"),
        (words(1 << 10 | 5, 63 << 10 | 300, *[0] * 200), "the file ends within the annotation at byte 2"),
        (words(1 << 10 | 5, 0, 1 << 10 | 5, 0), "data follow the end mark at byte 2; expected an annotation file in the MIT"),
        (words(61 << 10 | 5, 1 << 10 | 5, 0), "byte 0 says more of an annotation, but none precedes it"),
        (words(63 << 10 | 2, 65, 1 << 10 | 5, 0), "byte 0 says more of an annotation, but none precedes it"),
        (words(59 << 10, 0xFFFF, 0xFFFF, 1 << 10, 0), "an annotation lies before the beginning of the record"),
        (b"\0X\x16\xfc## time resolution: 0 " + b"\0\0", "the time resolution is '0', expected a positive number of Hz"),
    ],
)  # fmt: skip
def test_a_damaged_annotation_file_is_one_sentence(content: bytes, message: str):
    with pytest.raises(DataError, match=message) as caught:
        parse_annotations(content, name="x.atr")
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_annotations_or_a_data_error(content: bytes):
    with contextlib.suppress(DataError):
        found = parse_annotations(content + b"\0\0")
        assert len(found.samples) == len(found.symbols) == len(found.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symbols": ("no",)}, "'no' is no symbol of a WFDB annotation; use one of"),
        ({"samples": np.array([-1])}, "the sample of an annotation is -1, the format holds 0 to 2147483647"),
        ({"subtypes": np.array([128])}, "the subtype of an annotation is 128, the format holds -128 to 127"),
        ({"channels": np.array([256])}, "the channel of an annotation is 256, the format holds 0 to 255"),
        ({"numbers": np.array([-129])}, "the number of an annotation is -129"),
        ({"notes": ("n" * 256,)}, "a note has 256 characters, the format holds 255; shorten it"),
        ({"notes": ("\u20ac",)}, "the note '\u20ac' holds characters beyond Latin-1"),
    ],
)
def test_what_the_format_cannot_hold_is_not_written(change: dict, message: str):
    with pytest.raises(DataError, match=message):
        encode_annotations(replace(made([5], ["N"]), **change))


# ---- classes of beats


def test_the_beats_are_those_of_the_standard_without_flutter_waves():
    by_wfdb = {symbol for kind, symbol in SYMBOLS.items() if is_qrs[kind]}
    assert by_wfdb - BEATS <= {"!"}
    assert by_wfdb | {"?"} >= BEATS


def test_aami_classes_are_those_of_the_literature():
    # De Chazal et al. 2004, table I.
    table = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F", "Q": "/fQ"}
    assert all(aami_class(symbol) == name for name, symbols in table.items() for symbol in symbols)
    assert sum(len(symbols) for symbols in AAMI_CLASSES.values()) == len(BEATS)  # no symbol is in two classes
    assert [aami_class(symbol) for symbol in '+~|!x[]"(p'] == [None] * 10


def test_beat_counts_of_the_22_training_records_are_those_of_the_literature(recordings: Path):
    # De Chazal et al. 2004, table II: DS1 has N 45866, S 944, V 3788, F 415, Q 8. They count by their detector's file; the
    # reference annotations, of which they drop a few at the edges, give:
    total: dict[str, int] = {}
    for file in sorted(recordings.glob("mitdb/*.atr")):
        for symbol in read_annotations(file, recordings).symbols:
            if name := aami_class(symbol):
                total[name] = total.get(name, 0) + 1
    stated = {"N": 45866, "S": 944, "V": 3788, "F": 415, "Q": 8}
    assert {name: abs(total[name] - stated[name]) <= 0.002 * stated[name] + 1 for name in stated} == dict.fromkeys(stated, True)


# ---- names


def test_annotations_are_named_by_kind_and_label():
    found = made([3, 10, 20, 30, 40, 50], ["+", "N", "L", "/", "~", "+"], ["(AFIB", "", "", "", "", ""])
    named = named_annotations(found, found.samples)
    assert {name: positions.tolist() for name, positions in named.items()} == {
        "r_peaks": [10, 20, 30], "beat/N": [10], "beat/L": [20], "beat//": [30], "rhythm/AFIB": [3], "event/~": [40],
        "event/+": [50],
    }  # fmt: skip
    assert set(named_annotations(found, found.samples, classes="aami")) == {
        "r_peaks", "beat/N", "beat/Q", "rhythm/AFIB", "event/~", "event/+",
    }  # fmt: skip


def test_positions_out_of_order_are_sorted():
    found = made([30, 10, 20], ["N", "N", "N"])
    assert named_annotations(found, found.samples)["beat/N"].tolist() == [10, 20, 30]


def test_waves_are_a_peak_with_the_brackets_right_beside_it():
    found = made([1, 2, 3, 5, 7, 9, 11, 12], ["(", "p", ")", "N", ")", "(", "t", "N"])
    named = {name: positions.tolist() for name, positions in delineation(found, found.samples, lead="II").items()}
    assert named == {
        "wave/p_on/II": [1], "wave/p_peak/II": [2], "wave/p_off/II": [3], "wave/qrs_peak/II": [5, 12], "wave/qrs_off/II": [7],
        "wave/t_on/II": [9], "wave/t_peak/II": [11],
    }  # fmt: skip


def test_a_wave_that_begins_at_its_peak_may_have_its_bracket_behind():
    found = made([5, 6, 9, 20, 22, 25], ["N", "(", ")", "(", "t", ")"])
    named = {name: positions.tolist() for name, positions in delineation(found, found.samples, lead="II").items()}
    assert (named["wave/qrs_on/II"], named["wave/qrs_off/II"]) == ([6], [9])
    assert (named["wave/t_on/II"], named["wave/t_off/II"]) == ([20], [25])


def test_times_are_put_on_the_time_axis_of_the_record():
    found = made([10, 20], ["N", "N"])
    assert positions_in_samples(found, fs=500, n_samples=100).tolist() == [10, 20]
    assert positions_in_samples(found, fs=500, per_frame=4, n_samples=100).tolist() == [40, 80]
    assert positions_in_samples(replace(found, fs=250.0), fs=500, per_frame=4, n_samples=100).tolist() == [20, 40]
    with pytest.raises(
        DataError, match="an annotation stands at sample 20, the record has 20; the annotations are of another record"
    ):
        positions_in_samples(found, fs=500, n_samples=20)


# ---- through the reader


@pytest.fixture
def annotated(folder: Path) -> Path:
    write_annotations(made([3, 50, 120, 199], ["+", "N", "V", "N"], ["(AFIB", "", "", ""]), folder / "a.atr")
    return folder


def test_a_reader_gives_the_annotations_it_is_asked_for(annotated: Path):
    (row,) = WFDBReader(annotations="atr").scan(annotated).rows()
    assert WFDBReader().read(row).annotations == {}
    named = WFDBReader(annotations="atr").read(row).annotations
    assert {name: positions.tolist() for name, positions in named.items()} == {
        "r_peaks": [50, 120, 199], "beat/N": [50, 199], "beat/V": [120], "rhythm/AFIB": [3],
    }  # fmt: skip


def test_the_annotations_of_a_part_are_those_of_the_cropped_whole(annotated: Path):
    (row,) = WFDBReader(annotations="atr").scan(annotated).rows()
    reader = WFDBReader(annotations="atr")
    part, whole = reader.read_part(row, 50, 120), reader.read(row).crop(50, 120)
    assert {name: p.tolist() for name, p in part.annotations.items()} == {n: p.tolist() for n, p in whole.annotations.items()}
    assert part.annotations["r_peaks"].tolist() == [0]


def test_a_record_without_the_annotations_asked_for_is_refused(annotated: Path, record: Record):
    write_record(replace(record, record_id="b"), annotated)
    table = WFDBReader(annotations="atr").scan(annotated)
    assert table.frame["record_id"].tolist() == ["a"]
    assert table.rejects.to_numpy().tolist() == [["b.hea", "there is no file 'b.atr'; restore it or remove what names it"]]


def test_annotations_of_another_record_are_refused(annotated: Path):
    write_annotations(made([200], ["N"]), annotated / "a.atr")
    with pytest.raises(DataError, match=r"a\.hea: an annotation stands at sample 200, the record has 200"):
        WFDBReader(annotations="atr").read({"root": str(annotated), "path": "a"})


@pytest.mark.parametrize("extension", ["", "../atr", "a/b", "hea", "dat", "a.b", "x" * 21])
def test_an_extension_is_a_plain_word(extension: str):
    with pytest.raises(DataError, match="annotations must be the extension of annotation files, such as 'atr', got"):
        WFDBReader(annotations=extension)


def test_beats_are_called_by_one_of_two_conventions():
    for extension in ("atr", None):
        with pytest.raises(DataError, match="beats are called by 'mit' symbols or 'aami' classes, got 'ecg'"):
            WFDBReader(annotations=extension, beats="ecg")
