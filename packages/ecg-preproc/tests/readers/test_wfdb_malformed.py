"""Malformed, hostile and merely odd WFDB records: each the right result or one clear sentence, in little memory and time.

Every case is a folder that is written here. Records are read in a process of their own, which may use 1 GiB and 2 s.
"""
# ruff: noqa: E501 - one case stands on one line, so that they can be compared

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecg_core.errors import DataError
from ecg_preproc.readers.wfdb import WFDBReader

scipy_io = pytest.importorskip("scipy.io")
with warnings.catch_warnings():  # wfdb 4.3.1 uses what pandas 3 deprecates
    warnings.simplefilter("ignore")
    import wfdb

SAMPLES = np.random.default_rng(11).integers(-900, 900, (60, 3)).astype("<i2")
SUMS = [int(total) & 0xFFFF for total in SAMPLES.sum(axis=0)]
LINES = [f"a.dat 16 1000(3)/mV 16 0 {SAMPLES[0, i]} {SUMS[i]} 0 {lead}" for i, lead in enumerate(("I", "II", "V1"))]
HEA = "\n".join(["a 3 250 60", *LINES, "# Age: 63"]) + "\n"
DAT = SAMPLES.tobytes()
MV, UNCALIBRATED = (((SAMPLES.T.astype(np.float64) - 3) / gain).astype(np.float32) for gain in (1000, 200))

# What must come of a case: the plain record, what the wfdb package reads, these millivolts, or this sentence.
PLAIN, WFDB = "the plain record", "as wfdb"
Expected = str | np.ndarray
Build = Callable[[Path], None]
CASES: dict[str, tuple[Build, Expected]] = {}


def case(
    name: str, expected: Expected, *, hea: bytes | str | None = HEA, dat: bytes | None = DAT, then: Build | None = None
) -> None:
    """One case: a header, a signal file, and what else is done to the folder."""

    def build(folder: Path) -> None:
        if hea is not None:
            (folder / "a.hea").write_bytes(hea if isinstance(hea, bytes) else hea.encode())
        if dat is not None:
            (folder / "a.dat").write_bytes(dat)
        if then is not None:
            then(folder)

    assert name not in CASES, name
    CASES[name] = (build, expected)


def changed(name: str, old: str, new: str, expected: Expected, count: int = -1) -> None:
    """One case: the header with a text replaced."""
    assert old in HEA, name
    case(name, expected, hea=HEA.replace(old, new, count))


# ---- the record line

FIRST = "a 3 250 60"
changed("a name that is not the file's", "a 3 250", "zzz 3 250", PLAIN)
changed("a time and a date", FIRST, f"{FIRST} 12:30:00 24/12/2020", PLAIN)
changed("a counter frequency and a base value", "250 60", "250/360(-5) 60", PLAIN)
changed("a frequency with an exponent", " 250 ", " 2.5e2 ", PLAIN)
changed("a length of 0 means not stated", "250 60", "250 0", PLAIN)
changed("no length", "250 60\n", "250\n", PLAIN)
case("CRLF", PLAIN, hea=HEA.replace("\n", "\r\n"))
case("a BOM", PLAIN, hea="\ufeff" + HEA)
case("blank lines and comments in between", PLAIN, hea="\n# first\n" + HEA.replace("\n", "\n\n# more\n"))
case("trailing spaces and tabs", PLAIN, hea=HEA.replace("\n", " \t\n"))
case("no newline at the end", PLAIN, hea=HEA.rstrip("\n"))
case("a comment in Latin-1", PLAIN, hea=HEA.encode() + b"# gain in \xb5V\n")
case("1 MB of comments less one byte", PLAIN, hea=HEA + "#" * ((1 << 20) - len(HEA) - 1))
case("10 MB of comments", "'a.hea' has 10000105 bytes, expected at most 1048576", hea=HEA + "#" * (10_000_105 - len(HEA)))
case("an empty header", "the header is empty, expected a WFDB record line such as", hea="")
case("a header of blanks", "the header is empty", hea=" \n\n \n")
case("a header of comments", "the header is empty", hea="# nothing\n")
case("a header that is data", "the file is binary, expected the text of a WFDB header", hea=DAT)
case("a header in UTF-16", "the file is binary", hea=HEA.encode("utf-16"))
case("a header with a NUL", "the file is binary", hea=HEA.replace("a.dat", "a.dat\0", 1))
case("a header in one line", "announces 3 signal.* and describes 0", hea=HEA.replace("\n", " "))
case("line ends of an old Macintosh", "the file is binary, expected the text of a WFDB header", hea=HEA.replace("\n", "\r"))
case("a record line of rubbish", "the number of signals is '!!', expected an integer", hea=HEA.replace(FIRST, "@@@ !! ##"))
case("a record line of one word", "the header begins with 'a', expected a WFDB record line", hea=HEA.replace(FIRST, "a"))
changed("no sampling frequency", FIRST, "a 3", "the sampling frequency is missing; add it")
for count in ("0", "-1", "-1000000000"):
    changed(f"{count} signals", "a 3 ", f"a {count} ", f"the header announces {count} signals, expected at least 1")
for count in ("1", "2", "4", "1000000000", "999999999999999999"):
    changed(f"{count} signals", "a 3 ", f"a {count} ", rf"announces {count} signal\(s\) and describes 3; it is damaged")
for count in ("three", "3.0", "1e9", "3_0", "٣", "9" * 30, "+"):
    changed(f"{count!r} signals", "a 3 ", f"a {count} ", "the number of signals is '.*', expected an integer")
for fs in ("0", "nan", "inf", "-inf", "-250", "1e300", "1e-300", "1e999", "250Hz", "0xFA", "٢٥٠", "2,5", "100001", "0.5", "/250"):
    changed(f"{fs} Hz", " 250 ", f" {fs} ", "the sampling frequency is '.*', expected 1 to 100000 Hz")
for length in ("30", "59", "61", "120", "1000000000000", "999999999999999999"):
    changed(
        f"{length} samples", "250 60", f"250 {length}", rf"'a\.dat' has 360 bytes, expected \d+ for 3 signal\(s\) of {length}"
    )
for length in ("-5", "-999999999999999999"):
    changed(f"{length} samples", "250 60", f"250 {length}", f"the number of samples is {length}, expected a positive number")
for length in ("many", "60.0", "nan", "6e1", "9" * 19):
    changed(f"{length} samples", "250 60", f"250 {length}", "the number of samples is '.*', expected an integer")

# ---- signal lines

changed("a gain of 0 means 200", "1000(3)/mV", "0(3)/mV", UNCALIBRATED)
changed("a negative gain turns the signal over", "1000(3)/mV", "-1000(3)/mV", -MV)
changed("no unit means mV", "1000(3)/mV", "1000(3)", PLAIN)
changed("a unit in another case", "/mV", "/MV", PLAIN)
changed("microvolts", "1000(3)/mV", "1(3)/uV", PLAIN)
changed("no baseline means the ADC zero", "1000(3)/mV 16 0", "1000/mV 16 3", PLAIN)
changed("an offset of 0", ".dat 16 ", ".dat 16+0 ", PLAIN)
changed("one sample per frame, said", ".dat 16 ", ".dat 16x1:0 ", PLAIN)
changed("a skew within the record", ".dat 16 ", ".dat 16:59 ", WFDB)
changed("checksums as negative numbers", str(SUMS[0]), str(SUMS[0] - 65536), PLAIN)
changed("a description of several words", " II\n", " lead II (limb)\n", WFDB)
for gain in ("nan", "inf", "-inf", "1000(", "1000()", "1000(x)", "(3)", "0x3E8", "1,000", "/mV", "1000//mV(", "١٠٠٠"):
    changed(f"a gain of {gain}", "1000(3)/mV", gain, "signal 1: the (gain|unit) is '.*', expected")
for gain in ("1e400", "1e-400000", "1e300", "1e-30"):
    expected = UNCALIBRATED if gain == "1e-400000" else "signal 1: the gain is '.*', which no ECG amplifier has"
    changed(f"a gain of {gain}", "1000(3)/mV", f"{gain}(3)/mV", expected)
for unit in ("m", "mVolt", "kV", "nan", "mV/s"):
    changed(f"the unit {unit}", "/mV", f"/{unit}", f"signal 1: the unit is '{unit}', expected mV, uV or V")
for baseline in ("2147483648", "-2147483649", "999999999999999999"):
    changed(f"a baseline of {baseline}", "(3)", f"({baseline})", f"signal 1: the baseline {baseline} does not fit 32 bits")
for form in ("999", "17", "1", "15", "213", "525"):
    changed(f"format {form}", ".dat 16 ", f".dat {form} ", f"signal 1: WFDB format {form} is not known, expected one of 8, 16")
for form in ("16x", "x16", "-16", "16.0", "16x-1", "16:-1", "16+-1", "16x9999999999999999999", "sixteen"):
    changed(
        f"the format {form}", ".dat 16 ", f".dat {form} ", "signal 1: the storage format is '.*', expected a number such as 16"
    )
changed("format 0", ".dat 16 ", ".dat 0 ", "the storage format is 0, which means that no samples are stored")
changed("no samples per frame", ".dat 16 ", ".dat 16x0 ", "the samples per frame are 0, expected at least 1")
changed(
    "100 million samples per frame", ".dat 16 ", ".dat 16x100000000 ", "100000000 samples in each of 250 frames per second exceed"
)
changed(
    "100 million samples per frame in one signal",
    ".dat 16 ",
    ".dat 16x100000000 ",
    "'a.dat' has 360 bytes, expected 12000000240",
    1,
)
for form, size in (("212", 270), ("80", 180), ("24", 540), ("32", 720), ("310", 240), ("311", 240), ("8", 180), ("16x2", 720)):
    changed(
        f"format {form} for 16", ".dat 16 ", f".dat {form} ", rf"'a\.dat' has 360 bytes, expected {size} for 3 signal\(s\) of 60"
    )
for form in ("508", "516", "524"):
    changed(f"format {form} for 16", ".dat 16 ", f".dat {form} ", "'a.dat' is not a FLAC file, expected one for its WFDB format")
changed("format 61 for 16", ".dat 16 ", ".dat 61 ", "the samples of lead I in 'a.dat' sum to .*, the header's checksum is")
# Half the range is subtracted from each of an even number of samples: no checksum can see that.
changed("format 160 for 16", ".dat 16 ", ".dat 160 ", WFDB)
for skew in ("60", "99999999", "999999999999999999"):
    changed(f"a skew of {skew}", ".dat 16 ", f".dat 16:{skew} ", f"a signal of 'a.dat' is skewed by {skew} of 60 samples")
for offset in ("1", "2", "999999999", "999999999999999999"):
    changed(f"an offset of {offset}", ".dat 16 ", f".dat 16+{offset} ", "'a.dat' has 360 bytes, expected")
changed("two formats in one file", ".dat 16 ", ".dat 212 ", "the signals of 'a.dat' differ in format or offset", 1)
changed("two offsets in one file", ".dat 16 ", ".dat 16+2 ", "the signals of 'a.dat' differ in format or offset", 1)
case(
    "signals of one file apart",
    "the signals of one file do not stand together",
    hea=HEA.replace(LINES[1], "b.dat" + LINES[1][5:]),
)
changed("a lead twice", " II\n", " I\n", "lead names must be unique, got I more than once")
changed("a lead twice in another case", " II\n", " i\n", "lead names must be unique, got I more than once")
changed("a lead without a name", " II\n", "\n", "signal 2: the line has 8 of 9 fields .* add the lead name")
case("signals without names", "signal 1: the line has 2 of 9 fields", hea="a 3 250 60\na.dat 16\na.dat 16\na.dat 16\n")
changed("a checksum that is no number", f" {SUMS[0]} 0 I\n", " x 0 I\n", "signal 1: the checksum is 'x', expected an integer")
changed(
    "another checksum",
    f" {SUMS[0]} 0 I\n",
    " 77 0 I\n",
    f"the samples of lead I in 'a.dat' sum to {SUMS[0]}, the header's checksum is 77",
)
changed("an ADC zero that is no number", "/mV 16 0 ", "/mV 16 nan ", "signal 1: the ADC zero is 'nan', expected an integer")
changed(
    "an ADC resolution that is no number", "/mV 16 0 ", "/mV 1e9 0 ", "signal 1: the ADC resolution is '1e9', expected an integer"
)
changed("an ADC resolution below 0", "/mV 16 0 ", "/mV -16 0 ", "signal 1: the ADC resolution is -16, expected 0 or more")
changed("a block size below 0", " 0 V1\n", " -1 V1\n", "signal 3: the block size is -1, expected 0 or more")
changed("a block size that is no number", " 0 V1\n", " big V1\n", "signal 3: the block size is 'big', expected an integer")
case("100,000 signals", r"announces 100000 signal\(s\) and describes 19000", hea="a 100000 250 60\n" + "".join(
    f"a.dat 16 1000/mV 16 0 0 0 0 L{i}\n" for i in range(19_000)))  # fmt: skip

# ---- names that lead elsewhere

for name in (
    "../secret.dat", "../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/environ", "..", ".", "./a.dat",
    "sub/a.dat", "sub\\a.dat", "..\\secret.dat", "C:\\a.dat", "c:a.dat", "C:/a.dat", "\\\\host\\share\\a.dat", "//host/share/a.dat",
    "\\\\?\\C:\\a.dat", "\\\\.\\PhysicalDrive0", "http://127.0.0.1:9/a.dat", "file:///etc/passwd", "s3://bucket/a.dat",
    "a.dat:stream", "a.dat::$DATA", "~", "-", "~/a.dat", "....//secret.dat", "*.dat", "?.dat", "a|b", "<a.dat", ">a.dat", '"a.dat"',
    "x" * 256,
):  # fmt: skip
    changed(
        f"the signal file {name[:40]}", "a.dat", name, "signal 1: the signal file '.*' is not a plain file name beside the header"
    )
for name in (
    "CON",
    "NUL",
    "nul.dat",
    "%2e%2e%2fsecret.dat",
    "..%2fsecret.dat",
    "$HOME",
    "`id`",
    "ａ．ｄａｔ",
    "y" * 255,
    "a.dat.",
):
    changed(
        f"the signal file {name[:40]}", "a.dat", name, r"there is no file '.*'; restore it|cannot be read \(File name too long\)"
    )

# ---- signal files

FLIPS = {"the first byte": 0, "the last byte": 359, "a byte in the middle": 181}
for where, place in FLIPS.items():
    for bit in (0, 6):
        flipped = bytearray(DAT)
        flipped[place] ^= 1 << bit
        case(f"bit {bit} of {where} flipped", r"the samples of lead \w+ in 'a\.dat' sum to \d+", dat=bytes(flipped))
case("two samples exchanged between leads", "the samples of lead I in 'a.dat' sum to", dat=DAT[2:4] + DAT[:2] + DAT[4:])
case("no signal file", "there is no file 'a.dat'; restore it", dat=None)
for size in (0, 1, 180, 354, 359):
    case(f"a signal file of {size} bytes", f"'a.dat' has {size} bytes, expected 360 .* the file is cut", dat=DAT[:size])
for size in (361, 366, 24_360):
    case(
        f"a signal file of {size} bytes",
        f"'a.dat' has {size} bytes, expected 360 .* the header or the file is wrong",
        dat=DAT.ljust(size, b"\0"),
    )
case("an empty file and no length", r"'a\.dat' holds no samples \(0 bytes\)", hea=HEA.replace("250 60", "250"), dat=b"")
case("part of a frame and no length", r"'a\.dat' has 361 bytes, expected 360", hea=HEA.replace("250 60", "250"), dat=DAT + b"\0")
case("a text for a signal file", "'a.dat' has 11 bytes, expected 360", dat=b"not an ECG\n")
case("all samples invalid", np.full((3, 60), np.nan, np.float32), hea=HEA.replace(f"{SUMS[0]}", "0").replace(f"{SUMS[1]}", "0").replace(
    f"{SUMS[2]}", "0"), dat=b"\0\x80" * 180)  # fmt: skip
case("placeholder checksums are not compared", PLAIN, hea="\n".join(["a 3 250 60"] + [
    f"a.dat 16 1000(3)/mV 16 0 0 0 0 {lead}" for lead in ("I", "II", "V1")]))  # fmt: skip


def replaced(file: str, make: Build) -> Build:
    def then(folder: Path) -> None:
        (folder / file).unlink(missing_ok=True)
        make(folder / file)

    return then


def outside(path: Path) -> Path:
    other = path.parent.parent / f"outside {path.parent.name}{path.suffix}"
    other.write_bytes(DAT if path.suffix == ".dat" else HEA.encode())
    return other


def a_socket(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"/proc/self/fd/{here}/{path.name}")  # the path itself may be too long for a socket
    os.close(here)


def linked_within(path: Path) -> None:
    path.rename(path.with_name("other"))
    path.symlink_to("other")


NOT_REGULAR = "is not a regular file but a pipe, device or folder"
for file in ("a.dat", "a.hea"):
    regex = file.replace(".", r"\.")
    case(f"{file} is a pipe", f"'{regex}' {NOT_REGULAR}", then=replaced(file, lambda path: os.mkfifo(path)))
    case(f"{file} is a socket", f"'{regex}' {NOT_REGULAR}", then=replaced(file, a_socket))
    case(f"{file} is a folder", f"'{regex}' {NOT_REGULAR}", then=replaced(file, lambda path: path.mkdir()))
    case(
        f"{file} is a link to itself",
        f"'{regex}' (cannot be read|is a link that leaves)",
        then=replaced(file, lambda path: path.symlink_to(path.name)),
    )
    case(
        f"{file} is a link to nothing",
        f"there is no file '{regex}'",
        then=replaced(file, lambda path: path.symlink_to("nothing")),
    )
    for device in ("/dev/zero", "/dev/random", "/dev/stdin"):
        case(
            f"{file} is a link to {device}",
            f"'{regex}' is a link that leaves",
            then=replaced(file, lambda path, to=device: path.symlink_to(to)),
        )
    case(
        f"{file} is a link out of the folder",
        f"'{regex}' is a link that leaves",
        then=replaced(file, lambda path: path.symlink_to(outside(path))),
    )
    case(f"{file} is a link within the folder", PLAIN, then=lambda folder, file=file: linked_within(folder / file))

# ---- MATLAB files

MAT_HEA = HEA.replace("a.dat 16 ", "a.mat 16+24 ")


def mat4(kind: int = 30, rows: int = 3, columns: int = 60, imaginary: int = 0, order: str = "<") -> bytes:
    return np.array([kind, rows, columns, imaginary, 4], f"{order}i4").tobytes() + b"val\0" + DAT


def mat(name: str, expected: Expected, content: bytes, hea: str = MAT_HEA) -> None:
    case(name, expected, hea=hea, dat=None, then=lambda folder: (folder / "a.mat").write_bytes(content) and None)


def mat5(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    scipy_io.savemat(file, {"val": array}, do_compression=True)
    return file.getvalue()


NOT_MAT4 = "'a.mat' is not a MATLAB 4 file of 3 x 60 16-bit integers"
BOMB = mat5(np.zeros((12, 20_000_000), np.int8))  # 240 MB in 0.2
mat("a MATLAB 4 file", PLAIN, mat4())
mat("a MATLAB 4 file of doubles", NOT_MAT4, mat4(kind=0))
mat("a MATLAB 4 file, big-endian", NOT_MAT4, mat4(kind=1030, order=">"))
mat("a MATLAB 4 file, transposed", NOT_MAT4, mat4(rows=60, columns=3))
mat("a MATLAB 4 file of a billion rows", NOT_MAT4, mat4(rows=10**9))
mat("a MATLAB 4 file of complex numbers", NOT_MAT4, mat4(imaginary=1))
mat("a MATLAB 4 file that is cut", "'a.mat' has 383 bytes, expected 384", mat4()[:-1])
mat("a MATLAB 5 file", "'a.mat' has .* bytes, expected 384", mat5(SAMPLES.T))
mat("a MATLAB 5 file as long as expected", NOT_MAT4, mat5(SAMPLES.T).ljust(384, b"\0")[:384])
mat("a MATLAB 5 bomb", r"'a\.mat' has \d{6} bytes, expected 384", BOMB)
mat(
    "a MATLAB 5 bomb and no length",
    "'a.mat' is not a MATLAB 4 file",
    BOMB.ljust(len(BOMB) + (24 - len(BOMB)) % 6, b"\0"),
    MAT_HEA.replace("250 60", "250"),
)
mat("an HDF5 file", NOT_MAT4, b"MATLAB 7.3 MAT-file".ljust(384, b" "))
mat("samples in a .mat file", PLAIN, DAT, HEA.replace("a.dat", "a.mat"))
mat(
    "a .mat file with an offset in its header",
    "it begins with \\(\\), expected",
    mat4()[:8] + DAT,
    HEA.replace("a.dat 16 ", "a.mat 16+8 "),
)

# ---- compressed files


def flac(then: Callable[[bytearray], bytes] = bytes) -> Build:
    def build(folder: Path) -> None:
        (folder / "a.hea").unlink()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wfdb.wrsamp("a", 250, ["mV"] * 3, ["I", "II", "V1"], d_signal=SAMPLES.astype(int), fmt=["516"] * 3, adc_gain=[1000.0] * 3,
                        baseline=[3] * 3, write_dir=str(folder))  # fmt: skip
        (folder / "a.dat").write_bytes(then(bytearray((folder / "a.dat").read_bytes())))

    return build


def with_length(length: int) -> Callable[[bytearray], bytes]:
    def change(content: bytearray) -> bytes:
        content[21] = content[21] & 0xF0 | length >> 32
        content[22:26] = (length & 0xFFFFFFFF).to_bytes(4, "big")
        return bytes(content)

    return change


def big_flac(folder: Path) -> None:
    flac(with_length(2**36 - 1))(folder)
    (folder / "a.hea").write_text((folder / "a.hea").read_text().replace("250 60", f"250 {2**36 - 1}"))


case("a FLAC file", PLAIN, then=flac())
case("a FLAC file that is cut", r"'a\.dat' cannot be decoded in format 516", then=flac(lambda b: bytes(b[:-100])))
case("a FLAC file without its frames", r"'a\.dat' cannot be decoded in format 516", then=flac(lambda b: bytes(b[:60])))
case("a FLAC file of no stated length", "'a.dat' holds 0 samples per signal, expected 60", then=flac(with_length(0)))
case(
    "a FLAC file of 64 billion samples",
    "'a.dat' holds 68719476735 samples per signal, expected 60",
    then=flac(with_length(2**36 - 1)),
)
case("a FLAC bomb", r"'a\.dat' has \d+ bytes and would decode to \d+, more than 100 times as many; refused", then=big_flac)
case("a FLAC file of another number of channels", r"holds 1 channel\(s\) of 16 bits, expected 3", then=flac(
    lambda b: bytes(b[:20]) + bytes([b[20] & 0xF1]) + bytes(b[21:])))  # fmt: skip

# ---- segments


def segments(name: str, expected: Expected, master: str, **files: str | bytes) -> None:
    def then(folder: Path) -> None:
        (folder / "s.dat").write_bytes(DAT)
        (folder / "s.hea").write_text(HEA.replace("a.dat", "s.dat"))
        for file, content in files.items():
            (folder / file.replace("_", ".")).write_bytes(content if isinstance(content, bytes) else content.encode())

    case(name, expected, hea=master, dat=None, then=then)


LAYOUT = "l 3 250 0\n" + "".join(f"~ 0 1/mV 0 0 0 0 0 {lead}\n" for lead in ("I", "II", "V1"))
TWO = "a/2 3 250 120\ns 60\ns 60\n"
segments("one segment", PLAIN, "a/1 3 250 60\ns 60\n")
segments("a segment twice", np.concatenate([MV, MV], axis=1), TWO)
segments(
    "a layout, a gap and a segment",
    np.pad(MV, ((0, 0), (5, 0)), constant_values=np.nan),
    "a/3 3 250 65\nl 0\n~ 5\ns 60\n",
    l_hea=LAYOUT,
)
segments("10,000 segments", np.tile(MV, 10_000), "a/10000 3 250 600000\n" + "s 60\n" * 10_000)
segments(
    "100,000 segments",
    "the header announces 100000 segments, expected at most 10000",
    "a/100000 3 250 6000000\n" + "s 60\n" * 100_000,
)
segments("a billion segments", r"announces 1000000000 segments, expected at most 10000", "a/1000000000 3 250 120\ns 60\ns 60\n")
segments("no segments", "the header announces 0 segments, expected at least 1", "a/0 3 250 60\n")
segments("-1 segments", "the header announces -1 segments, expected at least 1", "a/-1 3 250 60\ns 60\n")
segments("segments that are no number", "the number of segments is 'x', expected an integer", "a/x 3 250 60\ns 60\n")
segments("a record that is its own segment", r"the record names itself \('a'\) as a segment", "a/2 3 250 120\na 60\na 60\n")
segments(
    "a record that is the segment of its segment",
    "segment 'b': it is a multi-segment record itself",
    "a/1 3 250 60\nb 60\n",
    b_hea="b/1 3 250 60\na 60\n",
)
segments("a missing segment", r"segment 'q': there is no file 'q\.hea'", "a/1 3 250 60\nq 60\n")
segments(
    "a segment whose samples are missing",
    r"there is no file 'q\.dat'",
    "a/1 3 250 60\nq 60\n",
    q_hea=HEA.replace("a.dat", "q.dat"),
)
segments("a segment that is cut", "'s.dat' has 100 bytes, expected 360", TWO, s_dat=DAT[:100])
segments("a segment of altered samples", "segment 's': the samples of lead I in 's.dat' sum to", TWO, s_dat=b"\1\1" + DAT[2:])
segments("a segment of another length", "segment 's' holds 60 samples, the record's header announces 61", "a/1 3 250 61\ns 61\n")
segments("another length in all", "the header announces 119 samples, its segments hold 120", TWO.replace("120", "119"))
segments("another sampling frequency", "segment 's' is sampled at 250 Hz, the record at 500 Hz", TWO.replace("250", "500"))
segments("another number of signals", r"the header announces 2 signal\(s\), its segments hold 3", TWO.replace("a/2 3", "a/2 2"))
segments("only gaps", "no segment holds samples", "a/2 3 250 60\nl 0\n~ 60\n", l_hea=LAYOUT)
segments(
    "a gap of 10^12 samples",
    "of 1000000000060 samples only 60 were recorded, the others are gaps",
    "a/3 3 250 1000000000060\nl 0\n~ 1000000000000\ns 60\n",
    l_hea=LAYOUT,
)
segments(
    "a segment of 10^18 samples",
    "segment 's' holds 60 samples, the record's header announces",
    "a/1 3 250\ns 999999999999999999\n",
)
segments(
    "an empty segment in the middle", "segment 2, 's', has 0 samples, expected a positive number", "a/2 3 250 60\ns 60\ns 0\n"
)
segments("a segment of negative length", "segment 2, 's', has -60 samples", "a/2 3 250\ns 60\ns -60\n")
segments(
    "a layout with samples",
    "segment 's': signal 1: the storage format is '16', expected 0 in a layout header",
    "a/2 3 250 60\ns 0\ns 60\n",
)
segments(
    "a layout of other leads",
    "segment 's' holds I, II, V1, expected no more than I, II, V2",
    "a/2 3 250 60\nl 0\ns 60\n",
    l_hea=LAYOUT.replace("V1", "V2"),
)
segments(
    "a layout for samples",
    r"segment 'l': signal 1: the signal file '~' is not a plain file name",
    "a/2 3 250 120\ns 60\nl 60\n",
    l_hea=LAYOUT,
)
segments(
    "segments of other leads",
    "segment 't' holds I, II, V2, expected exactly I, II, V1",
    "a/2 3 250 120\ns 60\nt 60\n",
    t_hea=HEA.replace(" V1", " V2").replace("a.dat", "s.dat"),
)
for name in ("../secret", "/etc/passwd", "sub/s", "sub\\s", "..", ".", "-", "C:s", "\\\\host\\s", "http://h/s"):
    segments(
        f"the segment {name}",
        "segment 1, '.*', is not a plain name beside the header; refused for safety",
        f"a/1 3 250 60\n{name} 60\n",
    )
case(
    "a segment that is a pipe",
    r"segment 'p': 'p\.hea' is not a regular file",
    hea="a/1 3 250 60\np 60\n",
    then=lambda f: os.mkfifo(f / "p.hea"),
)

# ---- annotations

END = b"\0\0"
BEAT = (1 << 10 | 5).to_bytes(2, "little")


def annotated(name: str, expected: Expected, content: bytes | Build) -> None:
    def then(folder: Path) -> None:
        if callable(content):
            content(folder / "a.atr")
        else:
            (folder / "a.atr").write_bytes(content)

    case(f"annotations: {name}", expected, then=then)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


DAMAGED_ATR = r"'a\.atr': the file ends within the annotation at byte"
annotated("a beat", PLAIN, BEAT + END)
annotated("none", PLAIN, END)
annotated("padding behind the end", PLAIN, BEAT + END * 100)
annotated("two million of them", PLAIN, BEAT + (1 << 10).to_bytes(2, "little") * ((1 << 21) - 2) + END)
annotated("two million remarks", PLAIN, BEAT + (61 << 10 | 1).to_bytes(2, "little") * ((1 << 21) - 2) + END)
annotated("more than four megabytes", "'a.atr' has 4194306 bytes, expected at most 4194304", BEAT * (1 << 21) + END)
annotated("a terabyte of nothing", "'a.atr' has 1099511627776 bytes, expected at most 4194304", sparse)
annotated("an empty file", "a row of 16-bit words, got 0 bytes; the file is cut", b"")
annotated("an odd number of bytes", "a row of 16-bit words, got 3 bytes; the file is cut", BEAT + b"\0")
annotated("no end", r"the file has no end mark \(two zero bytes\); it is cut", BEAT)
annotated("data behind the end", "data follow the end mark at byte 2", BEAT + END + BEAT)
annotated(
    "the format of the AHA",
    "data follow the end mark|says more of an annotation|has no end mark|ends within",
    b"\0N" + b"\0\0\1\2\3\4" * 7,
)
annotated(
    "a text", "says more of an annotation|ends within|data follow|has no end mark", b"this is a text of some words, no beats\n\n"
)
annotated("only ones", DAMAGED_ATR, b"\xff" * 64)
annotated("a note longer than the file", DAMAGED_ATR, BEAT + (63 << 10 | 200).to_bytes(2, "little") + b"x" * 20 + END)
annotated("a note longer than notes are", DAMAGED_ATR, BEAT + (63 << 10 | 1000).to_bytes(2, "little") + b"x" * 1000 + END)
annotated("a skip at the end", DAMAGED_ATR, BEAT + (59 << 10).to_bytes(2, "little") + END)
annotated(
    "a subtype of nothing",
    "byte 0 says more of an annotation, but none precedes it",
    (61 << 10).to_bytes(2, "little") + BEAT + END,
)
annotated(
    "before the record",
    "an annotation lies before the beginning of the record",
    (59 << 10).to_bytes(2, "little") + b"\xff" * 4 + (1 << 10).to_bytes(2, "little") + END,
)
annotated("at its last sample", PLAIN, (1 << 10 | 59).to_bytes(2, "little") + END)
annotated(
    "behind its last sample", "an annotation stands at sample 60, the record has 60", (1 << 10 | 60).to_bytes(2, "little") + END
)
annotated(
    "days later",
    "an annotation stands at sample 4294967294, the record has 60",
    ((59 << 10).to_bytes(2, "little") + b"\xff\x7f\xff\xff") * 2 + (1 << 10).to_bytes(2, "little") + END,
)
for rate in ("0", "0.0", "1" + "0" * 12):
    note = f"## time resolution: {rate}".encode()
    word = (63 << 10 | len(note)).to_bytes(2, "little")
    annotated(
        f"a time resolution of {rate}",
        f"the time resolution is '{rate}', expected a positive number",
        b"\0X" + word + note + b"\0" * (len(note) % 2) + END,
    )
note = b"## annotation type definitions"
annotated(
    "a definition that is none",
    "'fortytwo' defines no annotation type",
    b"\0X" + b"\x1e\xfc" + note + b"\0X" + b"\x08\xfc" + b"fortytwo" + END,
)
annotated("a pipe", r"'a\.atr' is not a regular file", os.mkfifo)
annotated("a folder", r"'a\.atr' is not a regular file", Path.mkdir)
annotated("a device", r"'a\.atr' is a link that leaves", lambda path: path.symlink_to("/dev/zero"))
annotated("a link out of the folder", r"'a\.atr' is a link that leaves", lambda path: path.symlink_to(outside(path)))
annotated("a link to nothing", r"there is no file 'a\.atr'", lambda path: path.symlink_to("nothing"))


# ---- running them


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What came of every case, read in processes of little memory and time."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("how much memory a process has is read from /proc, which only Linux has")
    root = tmp_path_factory.mktemp("malformed")
    jobs = []
    for number, (name, (build, _)) in enumerate(CASES.items()):
        folder = root / str(number)
        folder.mkdir()
        build(folder)
        ext = "atr" if name.startswith("annotations: ") else None
        jobs.append({"name": name, "root": str(folder), "path": "a", "annotations": ext})
    found: dict[str, dict] = {}
    script, left = Path(__file__).with_name("read_limited.py"), jobs
    while left:
        (root / "jobs").write_text("\n".join(json.dumps(job) for job in left))
        # Nothing is there on standard input: /dev/stdin must not wait for a person.
        ran = subprocess.run([sys.executable, "-W", "error", str(script), str(root / "jobs")], capture_output=True, text=True,
                             stdin=subprocess.DEVNULL, check=False)  # fmt: skip
        done = [json.loads(line) for line in ran.stdout.splitlines()]
        found |= {one.pop("name"): one for one in done}
        if ran.returncode and len(done) < len(left):
            assert ran.returncode < 0 or "Error" not in ran.stderr, ran.stderr
            found[left[len(done)]["name"]] = {"killed": ran.returncode}
        left = left[len(done) + (1 if ran.returncode else 0) :]
    return {**found, "": {"root": str(root), "numbers": {name: number for number, name in enumerate(CASES)}}}


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_right_result_or_one_clear_sentence(name: str, outcomes: dict[str, dict]):
    expected, found = CASES[name][1], outcomes[name]
    assert "killed" not in found, f"took too long: signal {-found['killed']}"
    assert "raw" not in found, found
    if isinstance(expected, str) and expected not in (PLAIN, WFDB):
        assert "error" in found, found
        with pytest.raises(DataError, match=expected):
            raise DataError(found["error"])
        assert found["error"].startswith(outcomes[""]["root"])  # it names the file
        assert "\n" not in found["error"]
        assert len(found["error"]) < 500
        return
    assert "error" not in found, found
    if isinstance(expected, str) and expected == WFDB:
        folder = Path(outcomes[""]["root"]) / str(outcomes[""]["numbers"][name])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = wfdb.rdrecord(str(folder / "a")).p_signal.T.astype(np.float32)
    signal = MV if isinstance(expected, str) else np.ascontiguousarray(expected, dtype=np.float32)
    assert found["shape"] == list(signal.shape)
    assert found["nan"] == int(np.isnan(signal).sum())
    assert found["sha256"] == hashlib.sha256(signal.tobytes()).hexdigest()
    assert found["fs"] == 250.0
    assert found["rejected"] == {}


def test_there_are_enough_cases():
    assert len(CASES) >= 250


def test_no_case_hung_and_none_ended_in_anything_but_a_sentence(outcomes: dict[str, dict]):
    found = {name: one for name, one in outcomes.items() if name}
    assert len(found) == len(CASES)
    assert not [name for name, one in found.items() if "killed" in one or "raw" in one]


@pytest.mark.parametrize(
    "path",
    [
        "../a", "../../a", "x/../../a", "..", ".", "", "/a", "/etc/passwd", "//host/a", "\\a", "..\\a", "x\\..\\..\\a", "C:\\a", "C:a",
        "c:/a", "\\\\host\\share\\a", "\\\\?\\C:\\a", "a\0", "a\0/../b", "\0", "http://h/a", "file:///etc/passwd", "s3://b/a", "a/..",
        "./../a", "x/./../../a", "....//..//a", "../" * 40 + "etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/mem", "z:\\", "aux:",
        "x/..", "..//a", "../.", "a/../..", "\\\\.\\pipe\\a", "file:a", "../\u202ea",
    ],
)  # fmt: skip
def test_a_row_cannot_lead_out_of_its_folder(tmp_path: Path, path: str):
    (tmp_path / "in").mkdir()
    for place in (tmp_path, tmp_path / "in"):
        (place / "a.hea").write_text(HEA)
        (place / "a.dat").write_bytes(DAT)
    row = {"root": str(tmp_path / "in"), "path": path, "record_id": "a"}
    for read in (WFDBReader().read, lambda row: WFDBReader().read_part(row, 0, 5)):
        with pytest.raises(DataError, match=r"refused for safety|there is no file '\.hea'|there is no file '\.\.hea'"):
            read(row)
