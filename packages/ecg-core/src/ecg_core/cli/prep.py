"""``ecg prep``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ecg_core.cli.output import next_command, shell_path, tell, working
from ecg_core.cli.spec import pipeline as transforms_in


def prep(
    source: Path,
    out: Path | None = None,
    /,
    *,
    fs: float = 250.0,
    seconds: float = 10.0,
    leads: str = "",
    reader: str = "auto",
    labels: Path | None = None,
    patient: str | None = None,
    split: str | None = None,
    pipeline: Path | None = None,
    seed: int = 0,
    jobs: int = 1,
    force: bool = False,
    resume: bool = False,
    verify: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Turn a folder of recordings into a prepared store.

    Args:
        source: Folder of recordings; with --verify, a store.
        out: Folder of the store.
        fs: Sampling frequency of the store, Hz.
        seconds: Length of a window; longer recordings give several, shorter ones are refused.
        leads: Comma-separated leads; the standard twelve unless given.
        reader: Name of a reader; found out by itself unless given.
        labels: CSV with record_id, patient_id, age, sex, split and target columns (classes separated by ;).
        patient: Column that names the patient.
        split: Shares of train/val/test, by patient; the source's own split, else 8/1/1, unless given.
        pipeline: File (.json, .yaml, .toml) with a list of transforms; band-pass 0.5-40 Hz and resampling unless given.
        seed: Of the split.
        jobs: Processes.
        force: Replace an existing store.
        resume: Go on with an interrupted preparation.
        verify: Check every signal of a store against its checksum instead.
    """
    from ecg_core.data.leads import STANDARD_12
    from ecg_core.data.prepare import prepare
    from ecg_core.data.store import Store
    from ecg_core.errors import ConfigError

    if verify:
        store = Store(source)
        tell(f"{store.verify()} windows of {source} are as they were written")
        return
    if out is None:
        raise ConfigError("ecg prep takes two folders: the recordings, and the store to write, e.g. `ecg prep wfdb/ prepared/`")
    with working("prepare") as progress:
        store = prepare(
            source,
            out,
            fs=fs,
            seconds=seconds,
            leads=tuple(leads.split(",")) if leads else STANDARD_12,
            reader=reader,
            labels=labels,
            patient=patient,
            split=split,
            pipeline=None if pipeline is None else transforms_in(pipeline),
            seed=seed,
            jobs=jobs,
            force=force,
            resume=resume,
            progress=progress,
        )
    tell(repr(store))
    if store.facts["patients"] == 0:
        tell("patients are unknown: every recording counts as its own patient (name them with --labels and --patient)")
    if store.facts["rejects"]:
        tell(
            f"refused {store.facts['rejects']} recordings, reasons in {out / 'rejects.csv'}, "
            f"e.g. {store.rejects['reason'].iloc[0]}"
        )
    if store.targets:
        tell(f"targets: {', '.join(store.targets)}")
    run = out.parent / "runs"
    next_command(f"ecg pretrain {shell_path(out)} --method st_mem --backbone vit_tiny --out {shell_path(run / 'stmem')}")
