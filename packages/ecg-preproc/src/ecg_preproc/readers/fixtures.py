"""Small data sets for the contract kit: what each reader must read back, and what it must refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ecg_core.data.annotation_file import AnnotationFile, write_annotations
from ecg_core.data.leads import STANDARD_12
from ecg_core.data.record import Record
from ecg_preproc.readers.damages import edited, flipped, shortened
from ecg_preproc.readers.write import write_record

__all__ = ["ecgid_example", "ludb_example", "mitdb_example", "nstdb_example", "ptbxl_example", "wfdb_example"]

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
        "refused": [{"annotations": "../atr"}, {"beats": "ecg"}],
        "damages": {
            "a header with an unknown unit": edited("a/x2.hea", "/mV", "/mVolt"),
            "a header without a sampling frequency": edited("a/x2.hea", "x2 3 250 600", "x2 3"),
            "a header that names a lead twice": edited("a/x2.hea", " V2", " I"),
            "a header that announces more leads than it describes": edited("a/x2.hea", "x2 3 ", "x2 4 "),
            "a header that announces more samples than there are": edited("a/x2.hea", " 250 600", " 250 601"),
            "a sample that does not fit the checksum": flipped("a/x2.dat"),
        },
    }


def ptbxl_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.ptbxl.PTBXLReader` states to the kit."""
    header = "records100/00000/00002_lr.hea"
    return {
        "fixture": _write_ptbxl,
        "refused": [{"fs": 250}],
        "damages": {
            "a header with an unknown unit": edited(header, "/mV", "/mVolt"),
            "a header of another sampling frequency": edited(header, " 100 ", " 200 "),
            "a sample that does not fit the checksum": flipped("records100/00000/00002_lr.dat"),
        },
    }


def mitdb_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.mitdb.MITDBReader` states to the kit."""
    return {
        "fixture": _write_mitdb,
        "refused": [{"beats": "ecg"}],
        "damages": {
            "a header with an unknown unit": edited("101.hea", "/mV", "/mVolt"),
            "a sample that does not fit the checksum": flipped("101.dat"),
            "an annotation file that is cut": shortened("101.atr", 2),
            "annotations that end behind the record": edited("101.hea", " 360 720", " 360 500", cut=("101.dat", 500 * 4)),
        },
    }


def ludb_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.ludb.LUDBReader` states to the kit."""
    return {
        "fixture": _write_ludb,
        "damages": {
            "a header with an unknown unit": edited("data/2.hea", "/mV", "/mVolt"),
            "a sample that does not fit the checksum": flipped("data/2.dat"),
            "an annotation file that is cut": shortened("data/2.avr", 2),
        },
    }


def ecgid_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.ecgid.ECGIDReader` states to the kit."""
    return {
        "fixture": _write_ecgid,
        "damages": {
            "a header with an unknown unit": edited("Person_01/rec_2.hea", "/mV", "/mVolt"),
            "a sample that does not fit the checksum": flipped("Person_01/rec_2.dat"),
        },
    }


def nstdb_example() -> dict[str, Any]:
    """What :class:`~ecg_preproc.readers.nstdb.NSTDBReader` states to the kit."""
    return {
        "fixture": _write_nstdb,
        "damages": {
            "a header with an unknown unit": edited("em.hea", "/mV", "/mVolt"),
            "a sample that does not fit the checksum": flipped("em.dat"),
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


def _write_mitdb(folder: Path) -> list[Record]:
    written = []
    for name, age, sex in (("100", 69.0, "M"), ("101", 75.0, "F"), ("106", None, "F")):
        record = _record(int(name), ("MLII", "V1"), 720, fs=360.0, record_id=name, patient_id=name, age=age, sex=sex)
        comment = f"{-1 if age is None else int(age)} {sex} 1085 1629 x1"
        write_record(replace(record, patient_id=None, age=None, sex=None), folder, comments=[comment])
        write_annotations(_annotations((10, 100, 300, 650), ("+", "N", "V", "L"), ("(N", "", "", "")), folder / f"{name}.atr")
        written.append(record)
    return written


def _write_ludb(folder: Path) -> list[Record]:
    place = folder / "data"
    place.mkdir()
    statements = ("<diagnoses>:", "Rhythm: Sinus rhythm.", "Electric axis of the heart: normal. ", "Left atrial overload. ")
    targets = {"rhythm": ("Sinus rhythm",), "axis": ("normal",), "diagnoses": ("Left atrial overload",)}
    written = []
    for number in (1, 2, 10):
        record = _record(number, STANDARD_12, 1000, fs=500.0, record_id=str(number), patient_id=str(number), labels=targets)
        write_record(replace(record, patient_id=None, labels={}), place, comments=statements)
        for shift, lead in enumerate(STANDARD_12):
            times = (200 + shift, 210 + shift, 225 + shift, 240 + shift, 250 + shift, 260 + shift)
            write_annotations(_annotations(times, ("(", "p", ")", "(", "N", ")")), place / f"{number}.{lead.lower()}")
        written.append(record)
    return written


def _write_ecgid(folder: Path) -> list[Record]:
    written = []
    for number, (person, name) in enumerate((("Person_01", "rec_2"), ("Person_01", "rec_10"), ("Person_02", "rec_1"))):
        (folder / person).mkdir(exist_ok=True)
        facts = {"patient_id": person, "age": 20.0 + number, "sex": "F"}
        record = _record(number, ("I", "I filtered"), 1000, fs=500.0, record_id=f"{person}/{name}", **facts)
        named = replace(record, record_id=name, patient_id=None, leads=("ECG I", "ECG I filtered"))
        write_record(named, folder / person)
        written.append(record)
    return written


def _write_nstdb(folder: Path) -> list[Record]:
    noises = {"bw": "baseline_wander", "em": "electrode_motion", "ma": "muscle_artifact"}
    written = []
    for number, (name, noise) in enumerate(noises.items()):
        record = _record(number, ("noise1", "noise2"), 720, fs=360.0, record_id=name, labels={"noise": (noise,)})
        write_record(replace(record, labels={}), folder)
        written.append(record)
    return written


def _annotations(samples: tuple[int, ...], symbols: tuple[str, ...], notes: tuple[str, ...] = ()) -> AnnotationFile:
    none = np.zeros(len(samples), dtype=np.int64)
    return AnnotationFile(np.array(samples), symbols, none, none, none, notes or ("",) * len(samples))


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
