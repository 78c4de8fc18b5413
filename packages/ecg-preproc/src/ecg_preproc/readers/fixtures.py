"""Small data sets for the contract kit: what each reader must read back, and what it must refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ecg_core.data.record import Record
from ecg_preproc.readers.write import write_record

__all__ = ["ptbxl_example", "wfdb_example"]

_STATEMENTS = """,description,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass
NORM,normal ECG,1.0,,,NORM,NORM
AMI,anterior myocardial infarction,1.0,,,MI,AMI
NST_,non-specific ST changes,1.0,1.0,,STTC,NST_
SR,sinus rhythm,,,1.0,,
"""
_DATABASE = """ecg_id,patient_id,age,sex,scp_codes,strat_fold,filename_lr,filename_hr
3,17014.0,71.0,1,"{'AMI': 35.0, 'NST_': 50.0, 'SR': 0.0}",10,records100/00000/00003_lr,records500/00000/00003_hr
1,15709.0,56.0,0,"{'NORM': 100.0, 'SR': 0.0}",8,records100/00000/00001_lr,records500/00000/00001_hr
2,,,,"{'NORM': 100.0}",9,records100/00000/00002_lr,records500/00000/00002_hr
"""


def wfdb_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.wfdb.WFDBReader` states to the kit."""
    return {
        "fixture": _write_wfdb,
        "damages": {
            "a header with an unknown unit": _edited("a/x2.hea", "/mV", "/mmHg"),
            "a header without a sampling frequency": _edited("a/x2.hea", "x2 3 250 600", "x2 3"),
            "a header that names a lead twice": _edited("a/x2.hea", " V2", " I"),
            "a header that announces more leads than it describes": _edited("a/x2.hea", "x2 3 ", "x2 4 "),
            "a header that announces more samples than there are": _edited("a/x2.hea", " 250 600", " 250 601"),
            "a sample that does not fit the checksum": _flipped("a/x2.dat"),
        },
    }


def ptbxl_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.ptbxl.PTBXLReader` states to the kit."""
    header = "records100/00000/00002_lr.hea"
    return {
        "fixture": _write_ptbxl,
        "refused": [{"fs": 250}],
        "damages": {
            "a header with an unknown unit": _edited(header, "/mV", "/mmHg"),
            "a header of another sampling frequency": _edited(header, " 100 ", " 200 "),
            "a sample that does not fit the checksum": _flipped("records100/00000/00002_lr.dat"),
        },
    }


def _record(number: int, leads: tuple[str, ...], samples: int, **facts: Any) -> Record:
    noise = np.random.default_rng(number).normal(0, 0.5, (len(leads), samples))
    return Record(np.round(noise, 3).astype(np.float32), leads=leads, **facts)


def _write_wfdb(folder: Path) -> list[Record]:
    leads = ("I", "II", "V2")
    records = {
        "a": [
            _record(1, leads, 500, fs=500.0, record_id="x1", patient_id="7", age=63.0, sex="F", labels={"dx": ("AFIB", "CLBBB")}),
            _record(2, leads, 600, fs=250.0, record_id="x2", patient_id="7", age=64.0, sex="F", labels={"dx": ("NORM",)}),
        ],
        "b": [_record(3, leads[::-1], 400, fs=360.0, record_id="w3", labels={"dx": ()})],
    }
    for name, some in records.items():
        (folder / name).mkdir()
        for record in some:
            write_record(record, folder / name)
    return [record for some in records.values() for record in some]


def _write_ptbxl(folder: Path) -> list[Record]:
    (folder / "scp_statements.csv").write_text(_STATEMENTS, encoding="utf-8")
    (folder / "ptbxl_database.csv").write_text(_DATABASE, encoding="utf-8")
    place = folder / "records100" / "00000"
    place.mkdir(parents=True)
    known: dict[str, dict[str, Any]] = {
        "1": {"patient_id": "15709", "age": 56.0, "sex": "M", "labels": _targets(("NORM",), ("NORM",), rhythm=("SR",))},
        "2": {"labels": _targets(("NORM",), ("NORM",))},
        "3": {
            "patient_id": "17014", "age": 71.0, "sex": "F",
            "labels": _targets(("MI", "STTC"), ("AMI", "NST_"), form=("NST_",), rhythm=("SR",)),
        },
    }  # fmt: skip
    records = []
    for name, facts in known.items():
        record = _record(int(name), ("I", "II", "V1"), 1000, fs=100.0, record_id=name, **facts)
        write_record(replace(record, record_id=f"{int(name):05d}_lr", labels={}), place)
        records.append(record)
    return records


def _targets(superclass: tuple[str, ...], diagnostic: tuple[str, ...], **more: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    form, rhythm = more.get("form", ()), more.get("rhythm", ())
    codes = (*diagnostic, *rhythm)
    found = {"superclass": superclass, "subclass": diagnostic, "diagnostic": diagnostic}
    return {**found, "form": form, "rhythm": rhythm, "scp_codes": codes}


def _edited(file: str, old: str, new: str) -> Callable[[Path], str]:
    def damage(folder: Path) -> str:
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return path.stem

    return damage


def _flipped(file: str) -> Callable[[Path], str]:
    def damage(folder: Path) -> str:
        path = folder / file
        content = bytearray(path.read_bytes())
        content[100] ^= 1
        path.write_bytes(bytes(content))
        return path.stem

    return damage
