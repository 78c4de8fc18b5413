"""Headers: what the standard says is read, and everything else is one clear sentence."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg_core.errors import DataError
from ecg_preproc.readers.comments import HeaderFacts, facts_of
from ecg_preproc.readers.header import parse_header

GOOD = "r 2 500 5000\nr.dat 16 1000(5)/mV 16 0 -3 -1 0 I\nr.dat 16 200/mV 12 1024 7 40000 0 MLII\n# Age: 63\n"


def test_a_header_says_what_it_says():
    header = parse_header(GOOD.encode())
    first, second = header.signals
    assert (header.fs, header.n_samples, header.leads, header.comments) == (500.0, 5000, ("I", "MLII"), ("Age: 63",))
    assert (first.gain, first.baseline, first.checksum) == (1000.0, 5, 65535)  # checksums are compared modulo 65536
    assert (second.gain, second.baseline, second.checksum) == (200.0, 1024, 40000)  # no baseline: the ADC zero


def test_a_gain_of_zero_means_200_by_the_standard():
    assert parse_header(GOOD.replace("1000(5)/mV", "0").encode()).signals[0].gain == 200.0


@pytest.mark.parametrize(("unit", "gain"), [("mv", 1000), ("MV", 1000), ("uV", 1_000_000), ("\u00b5V", 1_000_000), ("V", 1)])
def test_gains_are_per_millivolt_whatever_the_unit_and_its_case(unit: str, gain: float):
    assert parse_header(GOOD.replace("(5)/mV", f"/{unit}").encode()).signals[0].gain == pytest.approx(gain, rel=1e-15)


def test_micro_in_one_byte_is_understood():
    assert parse_header(GOOD.replace("(5)/mV", "/\u00b5V").encode("latin-1")).signals[0].gain == 1e6


def test_an_absent_unit_is_mv():
    assert parse_header(GOOD.replace("1000(5)/mV", "1000").encode()).signals[0].gain == 1000.0


def test_line_ends_blank_lines_and_leading_comments_do_not_matter():
    text = "# first\n\n" + GOOD.replace("\n", " \r\n")
    assert parse_header(text.encode()).signals == parse_header(GOOD.encode()).signals


def test_a_counter_frequency_and_a_date_do_not_matter():
    assert parse_header(GOOD.replace("500 5000", "500/360(12) 5000 03:05:01 1/05/2000", 1).encode()).fs == 500.0


def test_samples_per_frame_that_all_signals_share_multiply_the_sampling_frequency():
    fast = parse_header(GOOD.replace(".dat 16 ", ".dat 16x4 ").encode())
    assert (fast.fs, fast.n_samples, fast.per_frame) == (2000.0, 20000, 4)
    mixed = parse_header(GOOD.replace(".dat 16 ", ".dat 16x4 ", 1).encode())
    assert (mixed.fs, mixed.n_samples, mixed.per_frame) == (500.0, 5000, 1)
    with pytest.raises(DataError, match="1000 samples in each of 500 frames per second exceed 100000 Hz; correct the header"):
        parse_header(GOOD.replace(".dat 16 ", ".dat 16x1000 ").encode())


def test_a_format_may_be_followed_by_all_that_the_standard_allows():
    stored = parse_header(GOOD.replace(".dat 16 ", ".dat 212x2:3+24 ").encode()).signals[0].storage
    assert stored == (212, 2, 3, 24)


SEGMENTS = "r/3 2 500 5000\ns_layout 0\n~ 2000\ns1 3000\n"


def test_a_header_of_segments_names_them():
    header = parse_header(SEGMENTS.encode())
    assert [(s.name, s.frames) for s in header.segments] == [("s_layout", 0), ("~", 2000), ("s1", 3000)]
    assert (header.fs, header.n_samples, header.n_signals, header.leads) == (500.0, 5000, 2, ())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("s1 3000\n", "", r"announces 3 segment\(s\) and describes 2; it is damaged"),
        ("s1 3000", "s1", "segment 3 is 's1', expected a name and a number of samples"),
        ("s1 3000", "s1 x", "the length of segment 3 is 'x', expected an integer"),
        ("s1 3000", "s1 0", r"segment 3, 's1', has 0 samples, expected a positive number \(only a first one, the layout"),
        ("s1 3000", "s1 -1", "segment 3, 's1', has -1 samples"),
        ("s_layout 0", "~ 0", "segment 1, '~', has 0 samples"),
        ("s1 3000", "../s1 3000", "segment 3, '../s1', is not a plain name beside the header; refused for safety"),
        ("s1 3000", "/s1 3000", "segment 3, '/s1', is not a plain name"),
        ("s1 3000", "~ 3000", "no segment holds samples, expected at least one that does"),
    ],
)
def test_a_bad_header_of_segments_is_one_sentence(old: str, new: str, message: str):
    assert old in SEGMENTS
    with pytest.raises(DataError, match=message):
        parse_header(SEGMENTS.replace(old, new).encode())


def test_a_layout_header_has_leads_and_no_samples():
    text = "r 2 500 0\n~ 0 1000/mV 0 0 0 0 0 I\n~ 0 1000/mV 0 0 0 0 0 II\n"
    assert parse_header(text.encode(), layout=True).leads == ("I", "II")
    with pytest.raises(DataError, match="signal 1: the storage format is '16', expected 0 in a layout header"):
        parse_header(text.replace("~ 0 ", "~ 16 ").encode(), layout=True)


def test_placeholder_checksums_are_no_checksums():
    assert not parse_header(GOOD.replace(" -1 0 I", " 0 0 I").replace("40000", "0").encode()).has_checksums
    assert parse_header(GOOD.encode()).has_checksums


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (GOOD, "", "the header is empty, expected a WFDB record line"),
        (GOOD, "# only comments\n", "the header is empty"),
        (GOOD, "\x00\x01\x02", "binary, expected the text of a WFDB header"),
        (GOOD, "r\n", "begins with 'r', expected a WFDB record line"),
        (GOOD, "r 2\n", "sampling frequency is missing; add it"),
        ("r 2 ", "r 3 ", r"announces 3 signal\(s\) and describes 2"),
        ("r 2 ", "r 1 ", r"announces 1 signal\(s\) and describes 2"),
        ("r 2 ", "r 0 ", "announces 0 signals, expected at least 1"),
        ("r 2 ", "r -2 ", "announces -2 signals"),
        ("r 2 ", "r 1000000000 ", r"announces 1000000000 signal\(s\) and describes 2"),
        ("r 2 ", "r two ", "the number of signals is 'two', expected an integer"),
        ("r 2 ", "r 1_0 ", "the number of signals is '1_0', expected an integer"),
        ("r 2 ", "r/7 2 ", r"announces 7 segment\(s\) and describes 2"),
        ("r 2 ", "r/0 2 ", "announces 0 segments, expected at least 1"),
        ("r 2 ", "r/ 2 ", "the number of segments is '', expected an integer"),
        ("r 2 ", "r/2 2 ", "segment 1 is 'r.dat 16 1000.*', expected a name and a number of samples"),
        (" 500 ", " nan ", "sampling frequency is 'nan', expected 1 to 100000 Hz"),
        (" 500 ", " inf ", "sampling frequency is 'inf'"),
        (" 500 ", " 0 ", "sampling frequency is '0'"),
        (" 500 ", " -500 ", "sampling frequency is '-500'"),
        (" 500 ", " +500 ", r"sampling frequency is '\+500'"),
        (" 500 ", " 1e300 ", "sampling frequency is '1e300'"),
        (" 500 ", " 500Hz ", "sampling frequency is '500Hz'"),
        (" 5000\n", " -5\n", "number of samples is -5, expected a positive number"),
        (" 5000\n", " many\n", "number of samples is 'many', expected an integer"),
        (
            "r.dat 16 1000",
            "r.dat 81 1000",
            "signal 1: WFDB format 81 is not known, expected one of 8, 16, 24, .*, 524; correct the header",
        ),
        ("r.dat 16 1000", "r.dat sixteen 1000", "storage format is 'sixteen', expected a number such as 16"),
        (
            "r.dat 16 1000",
            "r.dat 0 1000",
            "the storage format is 0, which means that no samples are stored; only a layout header",
        ),
        ("r.dat 16 1000", "r.dat 16x0 1000", "the samples per frame are 0, expected at least 1"),
        ("1000(5)/mV", "nan/mV", "the gain is 'nan/mV', expected ADC units per unit"),
        ("1000(5)/mV", "inf/mV", "the gain is 'inf/mV'"),
        ("1000(5)/mV", "1e400/mV", "the gain is '1e400/mV', which no ECG amplifier has"),
        ("1000(5)/mV", "1e-30/mV", "the gain is '1e-30/mV', which no ECG amplifier has"),
        ("1000(5)/mV", "1000(5/mV", "the gain is"),
        ("1000(5)/mV", "1000(99999999999)/mV", "the baseline 99999999999 does not fit 32 bits"),
        ("1000(5)/mV", "1000(5)/mmH", "the unit is 'mmH', expected mV, uV or V"),
        ("1000(5)/mV", "1000(5)/m", "the unit is 'm', expected mV, uV or V"),
        (" -1 0 I\n", " x 0 I\n", "the checksum is 'x', expected an integer"),
        (" -1 0 I\n", " -1 0\n", "the line has 8 of 9 fields .* add the lead name"),
        (" 16 0 -3 -1 0 I\n", "\n", "the line has 3 of 9 fields .* complete it in that order, none is guessed"),
        (" 0 MLII", " 0 I", "lead names must be unique, got I more than once"),
        (" 0 MLII", " 0 i", "lead names must be unique, got I more than once"),
        ("r 2 500", "r 2\r500", "binary, expected the text of a WFDB header"),
        ("r 2 500", "r 2\f500", "binary, expected the text of a WFDB header"),
        ("r 2 500", "r 2\u00a0500", r"a field of 'r 2\\xa0500 5000' is set apart by a character that is neither blank nor tab"),
        ("r.dat 16 1000", "../r.dat 16 1000", "the signal file '../r.dat' is not a plain file name beside the header"),
        ("r.dat 16 1000", "/etc/passwd 16 1000", "'/etc/passwd' is not a plain file name"),
        ("r.dat 16 1000", "C:\\r.dat 16 1000", "is not a plain file name"),
        ("r.dat 16 1000", "\\\\host\\r.dat 16 1000", "is not a plain file name"),
        ("r.dat 16 1000", "http://host/r.dat 16 1000", "'http://host/r.dat' is not a plain file name"),
        ("r.dat 16 1000", ".. 16 1000", "is not a plain file name"),
        ("r.dat 16 1000", "~ 16 1000", "is not a plain file name"),
        ("r.dat 16 1000", "- 16 1000", "is not a plain file name"),
    ],
)
def test_a_bad_header_is_one_sentence_that_names_the_file(old: str, new: str, message: str):
    assert old in GOOD
    with pytest.raises(DataError, match=message) as caught:
        parse_header(GOOD.replace(old, new, 1).encode(), name="some/r.hea")
    assert str(caught.value).startswith("some/r.hea: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@given(st.binary(max_size=300))
def test_any_bytes_are_a_header_or_a_data_error(content: bytes):
    with contextlib.suppress(DataError):
        parse_header(content)


@given(position=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255), drop=st.booleans())
def test_a_changed_byte_gives_a_header_or_a_data_error(position: int, byte: int, drop: bool):
    content = bytearray(GOOD.encode())
    content[position : position + 1] = b"" if drop else bytes([byte])
    try:
        header = parse_header(bytes(content))
    except DataError:
        return
    assert len(header.leads) == len(header.signals) == 2 or header.segments
    assert all(signal.gain != 0 and abs(signal.gain) < float("inf") for signal in header.signals)


@pytest.mark.parametrize(
    ("comments", "facts"),
    [
        (["Age: 63", "Sex: Female", "Dx: 426783006,284470004"], HeaderFacts(None, 63.0, "F", ("426783006", "284470004"))),
        (["<age>: 53", "<sex>: M", "<diagnoses>:"], HeaderFacts(None, 53.0, "M", None)),  # LUDB
        (["age: NaN", "sex: Unknown", "dx: Unknown"], HeaderFacts(None, None, None, ())),
        (["Age: 300", "Sex: nan", "Patient: 17"], HeaderFacts("17", None, None, None)),
        (["patient_id: 17", "Dx: A, B,A"], HeaderFacts("17", None, None, ("A", "B"))),
        (["Age at discharge 63", "Sexton: M", "Rx: Dx"], HeaderFacts()),
    ],
)
def test_comments_tell_only_what_they_say(comments: list[str], facts: HeaderFacts):
    assert facts_of(comments) == facts
