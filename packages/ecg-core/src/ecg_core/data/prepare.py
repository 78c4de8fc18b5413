"""Prepare: a folder of recordings into a store, atomically, resumably, refusing what is damaged and saying why."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ecg_core.contracts.compose import Compose
from ecg_core.data.files import checked_output, read_json, replace_folder, sha256, write_atomic, write_json
from ecg_core.data.leads import STANDARD_12, canonical_leads
from ecg_core.data.shards import WindowMaker, write_shards
from ecg_core.data.source import scan
from ecg_core.data.splits import check_no_leak, parse_ratio, split_by_patient
from ecg_core.data.store import SCHEMA, Store
from ecg_core.data.table import FACTS, RecordTable
from ecg_core.data.windows import default_pipeline
from ecg_core.discovery.registries import READERS
from ecg_core.errors import DataError, OutputExistsError

__all__ = ["prepare"]

Ratio = tuple[float, float, float]
_DEFAULT_RATIO: Ratio = (0.8, 0.1, 0.1)

# Columns of a store's table that no target may be called.
_RESERVED = ("segment", "scale", "crc32", "shard", "row")


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
    split: str | None = None,
    pipeline: Sequence[str | Mapping[str, Any]] | None = None,
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
        split: Shares of train, val and test, by patient, such as ``"8/1/1"``. ``None`` takes the split that the source or the
            labels give, and 8/1/1 where they give none.
        pipeline: Transforms by name or configuration; ``None`` means :func:`default_pipeline`.
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
    ratio = None if split is None else parse_ratio(split)
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
    maker = WindowMaker(chosen, chain, leads, fs, length)
    write_shards(partial / "shards", list(table.rows()), maker, jobs=jobs, progress=progress)
    _finish(partial, out, plan, table, ratio=ratio, seed=seed, source=source)
    return Store(out)


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


def _finish(
    partial: Path, out: Path, plan: Mapping[str, Any], table: RecordTable, *, ratio: Ratio | None, seed: int, source: Path
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
    windows, again = _without_copies(windows, table)
    rejects += again
    frame = windows.merge(table.frame.drop(columns=["root", "path", "fs", "n_samples", "leads"], errors="ignore"), on="record_id")
    frame = frame.assign(**{name: None for name in ("patient_id", "age", "sex") if name not in frame})
    targets = [
        name
        for name in table.frame.columns
        if name not in FACTS and all(isinstance(v, tuple) for v in table.frame[name].tolist()) and frame[name].map(len).any()
    ]
    frame["split"] = _splits(frame, targets, ratio, seed)
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


def _splits(frame: pd.DataFrame, targets: Sequence[str], ratio: Ratio | None, seed: int) -> list[str]:
    given = frame.get("split") if ratio is None else None
    if given is not None and given.notna().all():
        return [str(name) for name in given]
    if given is not None and given.notna().any():
        raise DataError(
            f"{int(given.isna().sum())} of {len(given)} windows have no split; "
            "give one to each recording, or split anew with --split 8/1/1"
        )
    # A record without a patient is its own patient.
    who = [f"record:{r}" if pd.isna(p) else str(p) for p, r in zip(frame["patient_id"], frame["record_id"], strict=True)]
    strata = None
    if targets:
        labels = frame[targets[0]].tolist()
        frequency = pd.Series([name for row in labels for name in row], dtype=object).value_counts()
        strata = [min(row, key=lambda n: (frequency[n], n)) if row else "" for row in labels]
    return split_by_patient(who, ratio or _DEFAULT_RATIO, strata=strata, seed=seed)
