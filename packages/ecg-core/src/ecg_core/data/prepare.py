"""Prepare: a folder of recordings into a store, atomically, resumably, refusing what is damaged and saying why."""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ecg_core.contracts.compose import Compose
from ecg_core.data.files import checked_output, read_json, replace_folder, sha256, write_atomic, write_json
from ecg_core.data.leads import STANDARD_12, canonical_leads
from ecg_core.data.record import Record
from ecg_core.data.splits import check_no_leak, parse_ratio, split_by_patient
from ecg_core.data.store import SCHEMA, Store
from ecg_core.data.table import FACTS, RecordTable
from ecg_core.discovery.registries import READERS
from ecg_core.errors import ComponentLoadError, DataError, ECGError, OutputExistsError

if TYPE_CHECKING:
    from ecg_core.data.reader import Reader

__all__ = ["choose_reader", "default_pipeline", "prepare", "prepared_windows", "scan"]

_SHARD = 256  # recordings per shard: the unit of resuming

# Columns of a store's table that no target may be called.
_RESERVED = ("segment", "scale", "crc32", "shard", "row")


def default_pipeline(fs: float) -> list[dict[str, Any]]:
    """What is done to every recording unless told otherwise: 0.5 to 40 Hz, then the wanted sampling frequency."""
    return [{"name": "bandpass", "low": 0.5, "high": 40.0}, {"name": "resample", "fs": fs}]


def choose_reader(path: Path, name: str = "auto") -> Reader:
    """The named reader, or the one that recognises the folder (the most specific layout first, ``wfdb`` last)."""
    if not path.exists():
        raise DataError(f"{path} does not exist; give a folder of recordings")
    if name != "auto":
        return READERS.build(name)
    broken = ""
    for candidate in sorted(READERS.names(), key=lambda n: (n == "wfdb", n)):
        try:
            reader = READERS.build(candidate)
        except ComponentLoadError as error:  # one broken plugin must not stop the others
            broken = f". {error}"
            continue
        if reader.recognises(path):
            return reader
    raise DataError(
        f"no reader recognises {path}; expected e.g. WFDB headers (*.hea) below it. Readers: {', '.join(READERS.names())}{broken}"
    )


def scan(
    path: Path, *, reader: str = "auto", labels: Path | None = None, patient: str | None = None
) -> tuple[Reader, RecordTable]:
    """The reader of a folder and the facts it finds, with labels joined."""
    chosen = choose_reader(path, reader)
    table = chosen.scan(path)
    if labels is None and patient is not None:
        if patient not in table.frame.columns:
            raise DataError(f"there is no column {patient!r} (--patient); give it with --labels FILE")
        table = table.with_columns(patient_id=[None if pd.isna(p) else str(p) for p in table.frame[patient].tolist()])
    if labels is not None:
        if not labels.is_file():
            raise DataError(f"the labels file {labels} does not exist")
        try:
            # As text: 007 is not 7, neither as a patient nor as a class.
            lines = pd.read_csv(labels, dtype=str)
        except ValueError as error:
            raise DataError(f"the labels file {labels} cannot be read as CSV ({error})") from None
        table = table.join_labels(lines, patient=patient)
    return chosen, table


def prepare(
    source: str | Path,
    out: str | Path,
    *,
    fs: float = 250.0,
    seconds: float = 10.0,
    leads: Sequence[str] = STANDARD_12,
    reader: str = "auto",
    labels: str | Path | None = None,
    patient: str | None = None,
    split: str = "8/1/1",
    pipeline: Sequence[Mapping[str, Any]] | None = None,
    seed: int = 0,
    jobs: int = 1,
    force: bool = False,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Store:
    """Turn a folder of recordings into a store of equal windows.

    Args:
        source: Folder of recordings.
        out: Folder of the store; must not exist yet.
        fs: Sampling frequency of the store, Hz.
        seconds: Length of a window. Longer recordings give several, consecutive ones; shorter recordings are refused.
        leads: Leads of the store; III, aVR, aVL and aVF are derived where I and II are there.
        reader: Name of a registered reader, or ``"auto"``.
        labels: CSV with ``record_id`` and further columns: ``patient_id``, ``age``, ``sex``, ``split`` and targets, whose
            classes are separated by ``;``.
        patient: Column that names the patient, if it is not ``patient_id``.
        split: Shares of train, val and test, by patient. Used where the source gives no split of its own.
        pipeline: Transforms by configuration; ``None`` means :func:`default_pipeline`.
        seed: Of the split.
        jobs: Processes.
        force: Replace an existing store.
        resume: Go on with an interrupted preparation.
        progress: Called with (recordings done, recordings in all).

    Returns:
        The store, opened.

    Raises:
        DataError: Nothing usable was found, labels and recordings contradict each other, or what is to be resumed was
            started with other settings.
        LeakError: A patient stands in two splits.
        OutputExistsError: ``out`` exists and ``force`` is not given, or ``out`` is no store.
    """
    source, out = Path(source), Path(out)
    if not (seconds > 0 and fs > 0):
        raise DataError(f"seconds and fs must be positive, got seconds={seconds!r}, fs={fs!r}")
    length = round(seconds * fs)
    if length < 1:
        raise DataError(f"a window needs at least one sample, got {seconds:g} s at {fs:g} Hz")
    complete = (out / "store.json").is_file()
    checked_output(out, force=force, resume=resume and complete)
    if out.exists() and not complete and (out.is_file() or any(out.iterdir())):
        raise OutputExistsError(f"{out} is not a store, so it is never replaced; choose another output")
    leads = canonical_leads(leads)
    parse_ratio(split)
    chosen, table = scan(source, reader=reader, labels=None if labels is None else Path(labels), patient=patient)
    chain = Compose.from_config(default_pipeline(fs) if pipeline is None else list(pipeline))
    config = chain.to_config()
    reserved = [name for name in _RESERVED if name in table.frame.columns]
    if reserved:
        raise DataError(f"a store keeps the column name {reserved[0]!r} for itself; rename that column of the labels")
    plan = {
        "schema": SCHEMA,
        "reader": READERS.to_config(chosen),
        "pipeline": config,
        "fs": fs,
        "leads": list(leads),
        "n_samples": length,
        "split": split,
        "seed": seed,
        "records": _digest(table.frame),
    }
    if complete and resume:
        store = Store(out)
        if any(store.facts.get(name) != value for name, value in plan.items()):
            raise DataError(f"{out} was prepared with other settings or other recordings; replace it with --force")
        return store
    partial = out.with_name(out.name + ".partial")
    _start(partial, plan, resume=resume)
    rows = list(table.rows())
    work = _Work(chosen, chain, leads, fs, length)
    shards = [rows[start : start + _SHARD] for start in range(0, len(rows), _SHARD)]
    done = 0
    for number, part in enumerate(shards):
        sidecar = partial / "shards" / f"{number:05d}.json"
        if not sidecar.is_file():
            _write_shard(partial / "shards" / f"{number:05d}.i16", sidecar, _each(work, part, jobs, progress, done, len(rows)))
        done += len(part)
        if progress is not None:
            progress(done, len(rows))
    _finish(partial, out, plan, table, split=split, seed=seed, source=source)
    return Store(out)


def prepared_windows(record: Record, *, pipeline: Compose, leads: Sequence[str], fs: float, length: int) -> list[Record]:
    """The windows of one recording as a store would hold them (before the rounding to int16).

    Raises:
        DataError: The recording lacks a lead, is too short, or has NaN or flat leads.
    """
    record = record.select_leads(leads)
    flaws = record.flaws()
    if flaws:
        raise DataError(f"record {record.record_id!r} has {' and '.join(flaws)}; mend or leave out these leads")
    # The check is made before the filters, which need a few samples to stand on.
    if round(record.seconds * fs) < length:
        raise DataError(
            f"record {record.record_id!r} lasts {record.seconds:g} s, a window {length / fs:g} s; "
            f"use shorter windows (--seconds {max(1, int(record.seconds))}) or leave it out"
        )
    record = pipeline(record, generator=0)  # a store is a pure function of its recordings, whatever is in the pipeline
    if record.fs != fs:
        raise DataError(f"the pipeline gives {record.fs:g} Hz, the store wants {fs:g} Hz; end it with resample(fs={fs:g})")
    if record.n_samples < length:
        raise DataError(
            f"the pipeline leaves {record.n_samples} samples of record {record.record_id!r}, a window has {length}; "
            "do not shorten recordings in the pipeline"
        )
    if not np.isfinite(record.signal).all():
        raise DataError(
            f"the pipeline made NaN or infinite samples of record {record.record_id!r}; its amplitudes are out of range"
        )
    count = record.n_samples // length
    return [record.crop(i * length, (i + 1) * length) for i in range(count)]


@dataclass(frozen=True)
class _Work:
    """What a worker process needs to turn a row into windows."""

    reader: Reader
    pipeline: Compose
    leads: tuple[str, ...]
    fs: float
    length: int

    def __call__(self, row: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[tuple[np.ndarray, float]], str]:
        try:
            record = self.reader.read(row)
            windows = prepared_windows(record, pipeline=self.pipeline, leads=self.leads, fs=self.fs, length=self.length)
        except (ECGError, OSError, ValueError) as error:
            return row, [], str(error)
        return row, [_to_int16(w.signal) for w in windows], ""


def _to_int16(signal: np.ndarray) -> tuple[np.ndarray, float]:
    scale = float(np.float32(np.abs(signal).max() / 32767.0)) or 1.0
    return np.rint(signal / np.float32(scale)).clip(-32767, 32767).astype("<i2"), scale


def _each(
    work: _Work,
    rows: Sequence[Mapping[str, Any]],
    jobs: int,
    progress: Callable[[int, int], None] | None,
    before: int,
    total: int,
) -> Iterator[tuple[Mapping[str, Any], list[tuple[np.ndarray, float]], str]]:
    if jobs == 1:
        results: Iterable[Any] = map(work, rows)
    else:
        from joblib import Parallel, delayed

        results = Parallel(n_jobs=jobs, return_as="generator")(delayed(work)(row) for row in rows)
    for number, result in enumerate(results):
        if progress is not None and number % 16 == 0:
            progress(before + number, total)
        yield result


def _start(partial: Path, plan: Mapping[str, Any], *, resume: bool) -> None:
    file = partial / "plan.json"
    if resume and file.is_file():
        if read_json(file) != plan:
            raise DataError(f"{partial} was started with other settings or other recordings; run without --resume to start again")
        for stray in (partial / "shards").glob(".*.tmp"):
            stray.unlink()
        return
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "shards").mkdir(parents=True)
    write_json(file, plan)


def _write_shard(path: Path, sidecar: Path, results: Iterable[Any]) -> None:
    windows, rejects = [], []

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            for row, signals, reason in results:
                if reason:
                    rejects.append({"path": row["path"], "reason": reason})
                for segment, (signal, scale) in enumerate(signals):
                    file.write(signal.tobytes())
                    windows.append(
                        {"record_id": row["record_id"], "segment": segment, "scale": scale, "crc32": zlib.crc32(signal.tobytes())}
                    )

    write_atomic(path, write)
    write_json(sidecar, {"sha256": sha256(path), "windows": windows, "rejects": rejects})


def _finish(
    partial: Path, out: Path, plan: Mapping[str, Any], table: RecordTable, *, split: str, seed: int, source: Path
) -> None:
    sidecars = sorted((partial / "shards").glob("*.json"))
    contents = [read_json(sidecar) for sidecar in sidecars]
    rows = [
        {**window, "shard": number, "row": row}
        for number, part in enumerate(contents)
        for row, window in enumerate(part["windows"])
    ]
    rejects = [(r["path"], r["reason"]) for r in table.rejects.to_dict("records")]
    rejects += [(r["path"], r["reason"]) for part in contents for r in part["rejects"]]
    if not rows:
        first = f", e.g. {rejects[0][0]}: {rejects[0][1]}" if rejects else ""
        raise DataError(f"none of the {len(rejects)} recordings in {source} can be used{first}")
    windows = pd.DataFrame(rows)
    twice = windows.duplicated(["crc32", "segment", "scale"])
    if twice.any():
        originals = windows.drop_duplicates(["crc32", "segment", "scale"]).set_index(["crc32", "segment", "scale"])["record_id"]
        paths = table.frame.set_index("record_id")["path"]
        again = [
            (paths.loc[record_id], f"the same signal as record {originals.loc[tuple(key)]!r}; kept once")
            for record_id, *key in windows.loc[twice, ["record_id", "crc32", "segment", "scale"]].itertuples(index=False)
        ]
        rejects += dict.fromkeys(again)  # once per recording, not per window
        windows = windows[~twice]
    frame = windows.merge(table.frame.drop(columns=["root", "path", "fs", "n_samples", "leads"], errors="ignore"), on="record_id")
    frame = frame.assign(**{name: None for name in ("patient_id", "age", "sex") if name not in frame})
    targets = [
        name
        for name in table.frame.columns
        if name not in FACTS and all(isinstance(v, tuple) for v in table.frame[name].tolist()) and frame[name].map(len).any()
    ]
    frame["split"] = _splits(frame, targets, split, seed)
    check_no_leak(frame)
    keep = ["record_id", "segment", "patient_id", "split", "age", "sex", *targets, "scale", "crc32", "shard", "row"]
    stored = RecordTable(frame[keep].assign(root="", path=""))
    write_atomic(partial / "table.csv", stored.to_csv)
    refused = pd.DataFrame(rejects, columns=["path", "reason"])
    write_atomic(partial / "rejects.csv", lambda p: refused.to_csv(p, index=False))
    facts = {
        **plan,
        "source": str(source),
        "unit": "mV",
        "windows": len(frame),
        "recordings": int(frame["record_id"].nunique()),
        "patients": int(frame["patient_id"].nunique()),
        "rejects": len(refused),
        "targets": targets,
        "table_sha256": sha256(partial / "table.csv"),
        "shards": [
            {"file": s.with_suffix(".i16").name, "windows": len(c["windows"])} for s, c in zip(sidecars, contents, strict=True)
        ],
        "fingerprint": hashlib.sha256(
            json.dumps([c["sha256"] for c in contents]).encode() + (partial / "table.csv").read_bytes()
        ).hexdigest(),
    }
    write_json(partial / "store.json", facts)
    replace_folder(out, partial)
    for file in (*(out / "shards").glob("*.json"), out / "plan.json"):  # last: until then, a crash is resumed by them
        file.unlink()


def _digest(frame: pd.DataFrame) -> str:
    """Changes when any fact or label of any recording does; the same wherever the folder lies."""
    return hashlib.sha256(frame.drop(columns="root").to_csv(index=False).encode()).hexdigest()


def _splits(frame: pd.DataFrame, targets: Sequence[str], split: str, seed: int) -> list[str]:
    given = frame.get("split")
    if given is not None and given.notna().all():
        return [str(name) for name in given]
    if given is not None and given.notna().any():
        raise DataError(
            f"{int(given.isna().sum())} of {len(given)} windows have no split; "
            "give one to each recording, or drop the split column"
        )
    # A record without a patient is its own patient.
    who = [f"record:{r}" if pd.isna(p) else str(p) for p, r in zip(frame["patient_id"], frame["record_id"], strict=True)]
    strata = None
    if targets:
        labels = frame[targets[0]].tolist()
        frequency = pd.Series([name for row in labels for name in row], dtype=object).value_counts()
        strata = [min(row, key=lambda n: (frequency[n], n)) if row else "" for row in labels]
    return split_by_patient(who, parse_ratio(split), strata=strata, seed=seed)
