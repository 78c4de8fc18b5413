"""Prepare: a folder of recordings into a store, atomically, resumably, refusing what is damaged and saying why."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from ecg_core.contracts.compose import Compose
from ecg_core.data.division import Division
from ecg_core.data.encoding import Compression, Encoding, StoredAs
from ecg_core.data.engines import Engine, checked_engine
from ecg_core.data.files import checked_output, read_json, remove_replaced, replace_folder, sha256, write_atomic, write_json
from ecg_core.data.leads import STANDARD_12, canonical_leads, common_leads
from ecg_core.data.marks import Marks
from ecg_core.data.shards import ShardWriter, WindowMaker, write_shards
from ecg_core.data.source import scan
from ecg_core.data.splits import check_no_leak
from ecg_core.data.store import SCHEMA, Store
from ecg_core.data.table import RecordTable
from ecg_core.data.windows import default_pipeline
from ecg_core.discovery.registries import READERS
from ecg_core.errors import DataError, OutputExistsError

__all__ = ["prepare"]

# Columns of a store's table that no target may be called.
_RESERVED = ("segment", "scale", "crc32", "shard", "row", "offset", "bytes", "fold", "quality", "heart_rate")


def prepare(
    source: str | Path,
    out: str | Path,
    *,
    fs: float = 250.0,
    seconds: float = 10.0,
    leads: Sequence[str] | None = None,
    reader: str | Mapping[str, Any] = "auto",
    labels: str | Path | None = None,
    patient: str | None = None,
    split: str | None = None,
    pipeline: Sequence[str | Mapping[str, Any]] | None = None,
    dtype: StoredAs = "int16",
    compression: Compression = "none",
    facts: bool = True,
    seed: int = 0,
    engine: Engine | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
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
        leads: Leads of the store; III, aVR, aVL and aVF are derived where I and II are there. ``None`` means the standard
            twelve, or where no recording has eight of them, those that all recordings have.
        reader: Name or configuration of a registered reader, or ``"auto"``.
        labels: CSV with ``record_id`` and further columns: ``patient_id``, ``age``, ``sex``, ``split`` and targets, whose
            classes are separated by ``;``.
        patient: Column that names the patient, if it is not ``patient_id``.
        split: By patient: shares of train, val and test such as ``"8/1/1"``; folds such as ``"5-fold"``; or the name of a
            column that gives a split or a fold to each recording; or a protocol such as ``"ptbxl_super"``, see
            :mod:`ecg_core.data.protocols`. Of folds the last tests and the one before validates, until
            a store is opened with another. ``None`` takes the split that the source or the labels give, and 8/1/1 where
            they give none.
        pipeline: Transforms by name or configuration; ``None`` means :func:`default_pipeline`.
        dtype: How samples are stored; see :class:`ecg_core.data.encoding.Encoding`.
        compression: Without loss, or none.
        facts: Find quality flags and the heart rate of each recording, at half a millisecond each.
        seed: Of the split.
        engine: Where the work is done; ``None`` is processes where ``jobs`` are several, Dask where a scheduler is named.
        jobs: Processes on this machine.
        scheduler: Address of a Dask cluster (``tcp://…``) whose workers see the same files.
        force: Replace an existing store, once the new one is complete.
        resume: Go on with an interrupted preparation; with ``force``, also of a store that replaces another.
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
    wanted = None if leads is None else canonical_leads(leads)
    division = Division.parse(split)
    encoding = Encoding(dtype, compression)
    where = checked_engine(engine, jobs=jobs, scheduler=scheduler)
    chosen, table = scan(source, reader=reader, labels=None if labels is None else Path(labels), patient=patient)
    known = table.frame["leads"].tolist() if "leads" in table.frame else []
    leads = wanted or (common_leads(known) if all(known) else STANDARD_12)
    chain = Compose.from_config(default_pipeline(fs) if pipeline is None else list(pipeline))
    config = chain.to_config()
    reserved = [name for name in _RESERVED if name in table.frame.columns]
    if reserved:
        raise DataError(f"a store keeps the column name {reserved[0]!r} for itself; rename that column of the labels")
    division.check(table)
    plan = {
        "schema": SCHEMA,
        "reader": READERS.to_config(chosen),
        "pipeline": config,
        "fs": fs,
        "leads": list(leads),
        "n_samples": length,
        **asdict(encoding),
        "facts": facts,
        "split": split,
        "seed": seed,
        "records": _digest(table.frame),
    }
    if complete and resume:
        store = Store(out)
        if all(store.facts.get(name) == value for name, value in plan.items()):
            _remove_scaffolding(out)
            return store
        if not force:
            raise DataError(f"{out} was prepared with other settings or other recordings; replace it with --force")
    partial = out.with_name(out.name + ".partial")
    _start(partial, plan, resume=resume)
    maker = WindowMaker(chosen, chain, leads, fs, length, facts)
    writer = ShardWriter(partial / "shards", maker, encoding)
    write_shards(table.frame, writer, engine=where, jobs=jobs, scheduler=scheduler, progress=progress)
    _finish(partial, out, plan, table, division=division, seed=seed, source=source)
    return Store(out)


def _start(partial: Path, plan: Mapping[str, Any], *, resume: bool) -> None:
    file = partial / "plan.json"
    if resume and file.is_file():
        if read_json(file) != plan:
            raise DataError(f"{partial} was started with other settings or other recordings; run without --resume to start again")
        for stray in partial.rglob(".*.tmp"):
            stray.unlink()
        return
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "shards").mkdir(parents=True)
    write_json(file, plan)


def _finish(
    partial: Path, out: Path, plan: Mapping[str, Any], table: RecordTable, *, division: Division, seed: int, source: Path
) -> None:
    contents = [read_json(sidecar) for sidecar in sorted((partial / "shards").glob("*.json"))]
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
    windows, again = _without_copies(windows, table)
    rejects += again
    frame = windows.merge(table.frame.drop(columns=["root", "path", "fs", "n_samples", "leads"], errors="ignore"), on="record_id")
    frame = frame.assign(**{name: None for name in ("patient_id", "age", "sex") if name not in frame})
    found: list[str] = []
    if plan["facts"]:
        frame, found = _with_facts(frame, [record for part in contents for record in part["records"]]), ["quality", "heart_rate"]
    targets = [name for name in table.targets if name != division.column and frame[name].map(len).any()]
    divided = division.applied(frame, targets, seed, table=table)
    frame = frame.assign(**divided)
    check_no_leak(frame)
    place = [name for name in ("scale", "crc32", "shard", "row", "offset", "bytes") if name in frame]
    keep = ["record_id", "segment", "patient_id", *divided, "age", "sex", *targets, *found, *place]
    stored = RecordTable(frame[keep].assign(root="", path=""))
    write_atomic(partial / "table.csv", stored.to_csv)
    annotations = _write_annotations(partial / "annotations.npz", frame["record_id"].tolist(), contents)
    refused = pd.DataFrame(rejects, columns=["path", "reason"])
    write_atomic(partial / "rejects.csv", lambda p: refused.to_csv(p, index=False))
    facts = {
        **plan,
        "source": str(source),
        "unit": "mV",
        "windows": len(frame),
        "recordings": int(frame["record_id"].nunique()),
        "patients": int(frame["patient_id"].nunique()),
        "drawn": division.draws(table),
        "folds": 1 + max(divided["fold"]) if "fold" in divided else 0,
        "rejects": len(refused),
        "targets": targets,
        "table_sha256": sha256(partial / "table.csv"),
        **annotations,
        "shards": [
            {"file": part["file"], "windows": len(part["windows"]), "bytes": (partial / "shards" / part["file"]).stat().st_size}
            for part in contents
        ],
        "fingerprint": hashlib.sha256(
            json.dumps([part["sha256"] for part in contents]).encode()
            + (partial / "table.csv").read_bytes()
            + "".join(annotations.values()).encode()
        ).hexdigest(),
    }
    write_json(partial / "store.json", facts)
    replace_folder(out, partial)
    _remove_scaffolding(out)  # last: until then, a crash is resumed by it


def _write_annotations(path: Path, windows: Sequence[str], contents: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The file of the annotations, and its checksum as a fact of the store; neither where nothing is annotated."""
    annotated = {r["record_id"]: r["annotations"] for part in contents for r in part["records"] if "annotations" in r}
    recordings = list(dict.fromkeys(windows))
    if not any(name in annotated for name in recordings):
        return {}
    write_atomic(path, Marks.of(annotated.get(name, {}) for name in recordings).save)
    return {"annotations_sha256": sha256(path)}


def _remove_scaffolding(out: Path) -> None:
    for file in (*(out / "shards").glob("*.json"), out / "plan.json"):
        file.unlink(missing_ok=True)
    remove_replaced(out)


def _with_facts(frame: pd.DataFrame, records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    facts = {record["record_id"]: record for record in records}
    names = frame["record_id"].tolist()
    quality = pd.Series([tuple(facts[name]["quality"]) for name in names], dtype=object, index=frame.index)
    rate = pd.Series([facts[name]["heart_rate"] for name in names], dtype="float64", index=frame.index)
    return frame.assign(quality=quality, heart_rate=rate)


def _without_copies(windows: pd.DataFrame, table: RecordTable) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """The windows without exact copies of earlier ones, and a reason per recording that held a copy."""
    signature = ["crc32", "segment", "scale"]
    twice = windows.duplicated(signature)
    if not twice.any():
        return windows, []
    originals = windows.drop_duplicates(signature).set_index(signature)["record_id"]
    paths = table.frame.set_index("record_id")["path"]
    reasons = [
        (str(paths.loc[record_id]), f"the same signal as record {originals.loc[tuple(key)]!r}; kept once")
        for record_id, *key in windows.loc[twice, ["record_id", *signature]].itertuples(index=False)
    ]
    return windows[~twice], list(dict.fromkeys(reasons))  # once per recording, not per window


def _digest(frame: pd.DataFrame) -> str:
    """Changes when any fact or label of any recording does; the same wherever the folder lies."""
    return hashlib.sha256(frame.drop(columns="root").to_csv(index=False).encode()).hexdigest()
