"""Small data sets of the challenges for the contract kit: what must be read back, and what must be refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ecg_core.data.leads import STANDARD_12
from ecg_core.data.record import Record
from ecg_preproc.readers.damages import flipped

__all__ = ["cinc_example", "cpsc2018_example", "matlab5", "write_challenge"]


def cinc_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.cinc.CinCReader` states to the kit."""
    return {
        "fixture": _write_cinc,
        "refused": [{"codes": "icd"}, {"scoring": "2019"}, {"scoring": None, "scored_only": True}],
        "damages": {
            "a header with an unknown unit": _edited("georgia/g1/E00002.hea", "/mV", "/mVolt"),
            "a header without a sampling frequency": _edited("georgia/g1/E00002.hea", "E00002 12 500 600", "E00002 12"),
            "a sample that does not fit the checksum": flipped("georgia/g1/E00002.mat"),
            "a recording of the table that is absent": _absent,
        },
    }


def cpsc2018_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.cpsc2018.CPSC2018Reader` states to the kit."""
    return {
        "fixture": _write_cpsc2018,
        "damages": {"a structure of another name": _renamed, "eleven leads": _eleven, "a bomb": _bomb},
    }


def write_challenge(record: Record, folder: Path, comments: Iterable[str] = (), *, gain: str = "1000.0(0)/mv") -> Path:
    """Write ``record_id`` as the challenges do: a header, and a matrix of MATLAB 4 with its 24 bytes of head.

    Args:
        record: Every sample a whole number of µV.
        folder: Must exist.
        comments: Lines without ``#``.
        gain: As it stands in the header; 1000 per mV, however it is spelt.
    """
    name = record.record_id
    digital = np.rint(record.signal * 1000).astype("<i2")
    lines = [f"{name} {len(digital)} {record.fs:g} {digital.shape[1]}"]
    for lead, row in zip(record.leads, digital, strict=True):
        total = int(row.sum(dtype=np.int64)) & 0xFFFF
        lines.append(f"{name}.mat 16x1+24 {gain} 16 0 {row[0]} {total} 0 {lead}")
    header = folder / f"{name}.hea"
    header.write_text("\n".join([*lines, *(f"# {comment}" for comment in comments)]) + "\n", encoding="utf-8")
    head = struct.pack("<5i", 30, *digital.shape, 0, 4) + b"val\0"
    (folder / f"{name}.mat").write_bytes(head + digital.T.tobytes())
    return header


def matlab5(record: Record, *, name: str = "ECG", packed: bool = True) -> bytes:
    """A MATLAB 5 file with a structure of ``sex``, ``age`` and ``data``, as CPSC 2018 has one for each recording."""
    sex = {"F": "Female", "M": "Male", None: ""}[record.sex]
    age = np.full((1, 1), np.nan if record.age is None else record.age)
    fields = {"sex": _matrix(4, (1, len(sex)), 4, sex.encode("utf-16-le")), "age": _array(age), "data": _array(record.signal)}
    names = b"".join(field.encode().ljust(8, b"\0") for field in fields)
    body = _tagged(5, struct.pack("<i", 8)) + _tagged(1, names) + b"".join(fields.values())
    whole = _matrix(2, (1, 1), None, body, name)
    squeezed = zlib.compress(whole)
    head = b"MATLAB 5.0 MAT-file, written for a test".ljust(124) + b"\x00\x01IM"
    return head + (struct.pack("<II", 15, len(squeezed)) + squeezed if packed else whole)


def _array(values: np.ndarray) -> bytes:
    return _matrix(6, values.shape, 9, values.astype("<f8").tobytes(order="F"))


def _matrix(kind: int, shape: tuple[int, ...], stored: int | None, content: bytes, name: str = "") -> bytes:
    body = _tagged(6, struct.pack("<II", kind, 0)) + _tagged(5, struct.pack(f"<{len(shape)}i", *shape))
    return _tagged(14, body + _tagged(1, name.encode()) + (content if stored is None else _tagged(stored, content)))


def _tagged(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def _record(number: int, leads: tuple[str, ...], samples: int, **facts: Any) -> Record:
    noise = np.random.default_rng(number).normal(0, 0.5, (len(leads), samples))
    return Record(np.round(noise, 3).astype(np.float32), leads=leads, **facts)


def _write_cinc(folder: Path) -> list[Record]:
    coded, single = folder / "georgia" / "g1", folder / "training2017"
    coded.mkdir(parents=True)
    single.mkdir()
    known: tuple[tuple[str, int, dict[str, Any], tuple[str, ...], tuple[str, ...]], ...] = (
        ("E00001", 500, {"age": 63.0, "sex": "F"}, ("AF", "CRBBB"), ("Age: 63", "Sex: Female", "Dx: 164889003,59118001")),
        ("E00002", 600, {"sex": "M"}, ("NSR", "77"), ("Age: NaN", "Sex: Male", "Dx: 426783006,77", "Rx: Unknown")),
        ("E00003", 500, {}, (), ("Age: -1", "Sex: Unknown", "Dx: ")),
    )
    written = []
    for number, (name, samples, facts, dx, comments) in enumerate(known):
        labels = {"dx": dx, "database": ("georgia",)}
        record = _record(number, STANDARD_12, samples, fs=500.0, record_id=name, labels=labels, **facts)
        write_challenge(record, coded, comments)
        written.append(record)
    for number, (name, label) in enumerate((("A00001", "N"), ("A00002", "~"))):
        labels = {"dx": (label,), "database": ("cinc2017",)}
        record = _record(number, ("ECG",), 2700, fs=300.0, record_id=name, labels=labels)
        write_challenge(record, single, gain="1000/mV")
        written.append(record)
    (single / "REFERENCE.csv").write_text("A00001,N\nA00002,~\n", encoding="utf-8")
    return written


def _write_cpsc2018(folder: Path) -> list[Record]:
    place = folder / "TrainingSet1"
    place.mkdir()
    facts: tuple[dict[str, Any], ...] = ({"age": 74.0, "sex": "M"}, {"age": 49.0, "sex": "F"}, {})
    classes = (("RBBB",), ("PAC", "STD"), ("Normal",))
    written = []
    for number, (known, dx) in enumerate(zip(facts, classes, strict=True), start=1):
        name = f"A{number:04d}"
        record = _record(number, STANDARD_12, 500 + number, fs=500.0, record_id=name, labels={"dx": dx}, **known)
        (place / f"{name}.mat").write_bytes(matlab5(record, packed=number != 2))
        written.append(record)
    table = "Recording,First_label,Second_label,Third_label\nA0001,5,,\nA0002,6,8,\nA0003,1,,\n"
    (folder / "REFERENCE.csv").write_text(table, encoding="utf-8")
    return written


def _absent(folder: Path) -> str:
    for suffix in ("hea", "mat"):
        (folder / "training2017" / f"A00002.{suffix}").unlink()
    return "A00002"


def _renamed(folder: Path) -> str:
    return _replaced(folder, matlab5(_record(1, STANDARD_12, 500, fs=500.0), name="EEG"))


def _eleven(folder: Path) -> str:
    return _replaced(folder, matlab5(_record(1, STANDARD_12[1:], 500, fs=500.0)))


def _bomb(folder: Path) -> str:
    return _replaced(folder, matlab5(Record(np.zeros((12, 100_000), dtype=np.float32), 500.0, STANDARD_12)))


def _replaced(folder: Path, content: bytes) -> str:
    (folder / "TrainingSet1" / "A0001.mat").write_bytes(content)
    return "A0001"


def _edited(file: str, old: str, new: str) -> Callable[[Path], str]:
    def damage(folder: Path) -> str:
        path = folder / file
        text = path.read_text(encoding="utf-8").replace("/mv", "/mV")
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return path.stem

    return damage
