"""Mutated headers and annotation files: only a DataError may escape, and what is accepted is what the wfdb package reads.

Everything is a pure function of a seed, so a failure can be repeated; it prints the bytes.
"""

from __future__ import annotations

import random
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ecg_core.errors import DataError
from ecg_preproc.readers.annotation_file import parse_annotations
from ecg_preproc.readers.header import parse_header
from ecg_preproc.readers.wfdb import WFDBReader

with warnings.catch_warnings():  # wfdb 4.3.1 uses what pandas 3 deprecates
    warnings.simplefilter("ignore")
    import wfdb

SAMPLES = np.random.default_rng(5).integers(-900, 900, (60, 3)).astype("<i2")
SUMS = [int(total) & 0xFFFF for total in SAMPLES.sum(axis=0)]
LEADS = ("I", "II", "V1")
PLAIN = "a 3 250 60\n" + "".join(f"a.dat 16 1000(3)/mV 16 0 5 {s} 0 {lead}\n" for s, lead in zip(SUMS, LEADS, strict=True))
HEADERS = [
    PLAIN + "# Age: 63\n",
    PLAIN.replace(" 16 1000", " 16x1:0+0 1000").replace("250 60", "250/360(5) 60 12:00:00 01/02/2003"),
    PLAIN.replace("(3)/mV 16 0", "/uV 16 3").replace("\n", "\r\n"),
    # Without checksums a changed header is not given away by its samples.
    re.sub(r"(5) \d+ 0 ", r"\1 0 0 ", PLAIN),
    "a/3 3 250 65\nl 0\n~ 5\ns 60\n",
    PLAIN.replace("a.dat 16 ", "p.dat 212 "),
    re.sub(r"(5) \d+ 0 ", r"\1 0 0 ", PLAIN).replace("a.dat 16 ", "m.mat 16+24 "),
    re.sub(r"(5) \d+ 0 ", r"\1 0 0 ", PLAIN).replace("a.dat 16 ", "a.dat 16:4 "),
    re.sub(r"(5) \d+ 0 ", r"\1 0 0 ", PLAIN).replace("a.dat 16 ", "a.dat 16x2 ").replace("250 60", "250 30"),
    PLAIN.replace("(3)/mV", "(3)/mmHg", 1),  # a blood pressure, which is left out
]
# What stands in damaged headers, and what a parser may stumble over.
TOKENS = [
    *(b"0", b"-1", b"nan", b"inf", b"1e999", b"1e-999", b"999999999999", b".5", b"5.", b"1_0", b"0x10", b"\xd9\xa3", b"212"),
    *(b"/", b"..", b"(", b")", b"+", b"x", b":", b"#", b"~", b"-", b"'", b"uV", b"\xc2\xb5V", b"\xff\xfe", b""),
    *(b"\0", b" ", b"\n", b"\r", b"\t", b"\x1b"),
]
ANNOTATIONS = (
    bytes([5, 4, 18, 4, 1, 0xFC, 65, 0, 0, 0xEC, 0, 0, 0, 8, 10, 4, 3, 0xF4, 7, 112, 5, 0xFC]) + b"(AFIB\0" + bytes([9, 20, 0, 0])
)


def mutated(seed_bytes: bytes, rng: random.Random) -> bytes:
    content = bytearray(seed_bytes)
    for _ in range(rng.randint(1, 3)):
        if not content:
            break
        place, kind = rng.randrange(len(content)), rng.random()
        if kind < 0.4:
            content[place] = rng.randrange(256)
        elif kind < 0.7:
            content[place : place + rng.randint(0, 8)] = rng.choice(TOKENS)
        elif kind < 0.85:
            del content[place : place + rng.randint(1, 60)]
        else:
            start = rng.randrange(len(content))
            content[place:place] = content[start : start + rng.randint(1, 60)]
    return bytes(content)


def headers(count: int, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    seeds = [text.encode() for text in HEADERS]
    for number in range(count):
        yield mutated(seeds[number % len(seeds)], rng)


def survives(parse, contents: Iterator[bytes]) -> Counter[str]:
    """How many were accepted and refused; anything but a DataError is a failure that shows the bytes."""
    found: Counter[str] = Counter()
    for content in contents:
        try:
            parse(content)
            found["accepted"] += 1
        except DataError as error:
            found["refused"] += 1
            assert 10 < len(str(error)) < 500, (content, str(error))
            assert "\n" not in str(error), content
        except Exception as error:
            pytest.fail(f"{type(error).__name__}: {error} from {content!r}")
    return found


def annotation_files(count: int, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    for _ in range(count):
        content = mutated(ANNOTATIONS, rng)
        yield content if rng.random() < 0.5 else content[: len(content) // 2 * 2] + b"\0\0"


def test_20_000_mutated_headers_are_headers_or_a_sentence():
    found = survives(parse_header, headers(20_000, seed=1))
    assert sum(found.values()) == 20_000
    assert min(found["accepted"], found["refused"]) > 1000  # it tests both


def test_5_000_mutated_annotation_files_are_annotations_or_a_sentence():
    found = survives(parse_annotations, annotation_files(5_000, seed=2))
    assert min(found["accepted"], found["refused"]) > 100


@pytest.mark.slow
def test_a_million_mutated_headers_are_headers_or_a_sentence():
    found = survives(parse_header, headers(1_000_000, seed=3))
    assert sum(found.values()) == 1_000_000


@pytest.mark.slow
def test_200_000_mutated_annotation_files_are_annotations_or_a_sentence():
    survives(parse_annotations, annotation_files(200_000, seed=4))


# ---- what is accepted equals what the wfdb package reads, or stands here with its reason


def put(folder: Path) -> None:
    (folder / "a.dat").write_bytes(SAMPLES.tobytes())
    (folder / "s.dat").write_bytes(SAMPLES.tobytes())
    low, high = (SAMPLES.reshape(-1)[start::2].astype(np.int32) & 0xFFF for start in (0, 1))
    packed = np.stack([low & 0xFF, low >> 8 | high >> 8 << 4, high & 0xFF], axis=1).astype(np.uint8)
    (folder / "p.dat").write_bytes(packed.tobytes())
    (folder / "m.mat").write_bytes(np.array([30, 3, 60, 0, 4], "<i4").tobytes() + b"val\0" + SAMPLES.tobytes())
    (folder / "s.hea").write_text(PLAIN.replace("a.dat", "s.dat"))
    (folder / "l.hea").write_text("l 3 250 0\n" + "".join(f"~ 0 1/mV 0 0 0 0 0 {lead}\n" for lead in LEADS))


# Where the wfdb package fails on a header that is read: by what it says, and why it is read.
FAILURES = {
    r"invalid syntax in record line|^list index out of range": "the name in the record line is not looked at: the file has one",
    r"time data|unconverted data remains|day is out of range|must be in": "the time and date of the recording are not looked at",
    r"sampto must be greater than sampfrom": "a length of 0 means that it is not stated, by the standard",
    r"no attribute 'file_name'": "the length of a record of segments is that of its segments when it is not stated",
}
# Where both read it and may differ: by the header, and why.
DIFFERENCES = {
    "/(\u00b5|\u03bc)V".encode() + rb"|/\xb5V": "\u00b5V is a thousandth of mV; the wfdb package drops the \u00b5 and reads V",
    rb"\d[.]?E[+-]?\d": "an exponent may be written with a capital E, as in every language; the wfdb package stops reading there",
}


def compared(folder: Path, content: bytes) -> str:
    """``refused``, ``equal``, or the reason of a documented difference; anything else is a failure."""
    (folder / "a.hea").write_bytes(content)
    try:
        ours = WFDBReader().read({"root": str(folder), "path": "a", "record_id": "a"})
    except DataError:
        return "refused"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = wfdb.rdrecord(str(folder / "a"), smooth_frames=False)
    except Exception as error:
        reason = next((why for what, why in FAILURES.items() if re.search(what, str(error))), None)
        assert reason, f"wfdb: {type(error).__name__}: {error}, from {content!r}, which is read as {ours}"
        return reason
    if why := next((why for what, why in DIFFERENCES.items() if re.search(what, content)), None):
        return why
    known = {"mv": 1.0, "v": 1000.0, "uv": 0.001}
    voltages = [i for i, unit in enumerate(theirs.units) if unit.casefold() in known or len(ours.leads) == len(theirs.units)]
    per_mv = [known[theirs.units[i].casefold()] for i in voltages]
    signals, frames = theirs.e_p_signal, theirs.sig_len
    fast = len({len(signal) for signal in signals}) == 1  # else each frame is averaged
    signals = [signals[i] if fast else signals[i].reshape(frames, -1).mean(axis=1) for i in voltages]
    expected = np.stack([signal * factor for signal, factor in zip(signals, per_mv, strict=True)])
    np.testing.assert_allclose(ours.signal, expected, rtol=1e-6, atol=0 if fast else 1e-6, err_msg=repr(content))
    assert ours.fs == pytest.approx(theirs.fs * len(signals[0]) / frames, rel=1e-12), content
    return "equal"


def differential(folder: Path, count: int, seed: int) -> Counter[str]:
    put(folder)
    return Counter(compared(folder, content) for content in headers(count, seed))


def test_of_3_000_mutated_headers_what_is_accepted_is_what_the_wfdb_package_reads(tmp_path: Path):
    found = differential(tmp_path, 3_000, seed=7)
    assert sum(found.values()) == 3_000
    assert found["equal"] > 50


@pytest.mark.slow
def test_of_30_000_mutated_headers_what_is_accepted_is_what_the_wfdb_package_reads(tmp_path: Path):
    found = differential(tmp_path, 30_000, seed=8)
    assert found["equal"] > 500
    assert set(found) - {"refused", "equal"} <= {*FAILURES.values(), *DIFFERENCES.values()}
